#!/usr/bin/env node
// The demo as a gate: trains the default model of this machine's adapter, and holds the result to what the demo is for.
//
//   .ci/demo.mjs PROGRAM   the path of `aft`
//
// The number of steps is fixed, half of a software adapter's default, so that a busy machine gets the same model, later.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const STEPS = 1500;

/** What `aft train text --json` promises, by type. */
const KEYS = {
  valid_bits_per_byte: "number",
  bigram_bits_per_byte: "number",
  word_share: "number",
  bigram_word_share: "number",
  tokens_per_second: "number",
  seconds: "number",
  steps: "number",
  skipped_steps: "number",
  parameters: "number",
  adapter: "string",
  run: "string",
};

/** The last line of the program's stdout, as an object. */
function train(program) {
  const scratch = mkdtempSync(join(tmpdir(), "aft-demo-"));
  try {
    const args = ["train", "text", "--json", "--steps", String(STEPS), "--out", join(scratch, "run")];
    const { status, stdout, error } = spawnSync(program, args, {
      stdio: ["ignore", "pipe", "inherit"],
      encoding: "utf8",
    });
    if (error) throw error;
    if (status !== 0) throw new Error(`${program} ended with ${status}`);
    const last = stdout.trimEnd().split("\n").at(-1);
    console.log(last);
    return JSON.parse(last);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** What is wrong with a result; time and speed are never wrong. */
function faults(result) {
  const found = [];
  const expect = (holds, text) => holds || found.push(text);
  for (const [key, type] of Object.entries(KEYS)) {
    expect(typeof result[key] === type, `${key} is ${JSON.stringify(result[key])}, not a ${type}`);
  }
  const { valid_bits_per_byte: bits, bigram_bits_per_byte: bigramBits } = result;
  const { word_share: words, bigram_word_share: bigramWords, steps } = result;
  expect(steps === STEPS, `${steps} steps, not ${STEPS}`);
  expect(bits <= 3, `${bits} bits per byte on held-out text, more than 3`);
  expect(bits < bigramBits, `${bits} bits per byte, not less than the bigram model's ${bigramBits}`);
  expect(words >= 1.5 * bigramWords, `word share ${words}, less than 1.5 times the bigram model's ${bigramWords}`);
  return found;
}

const [program] = process.argv.slice(2);
if (!program) {
  console.error("usage: .ci/demo.mjs PROGRAM");
  process.exit(2);
}
try {
  const result = train(program);
  const found = faults(result);
  console.log(`demo: ${result.seconds} s`);
  if (found.length > 0) throw new Error(found.join("; "));
} catch (error) {
  console.error(`demo: ${error.message}`);
  process.exit(1);
}
