// The native side of a comparison: `examples/resume.rs`, which trains the page's model and keeps it in a checkpoint, and `aft bench`.

import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** Trains `steps` steps from the checkpoint `file`, or from the start where there is none; resolves to their losses. */
export async function train(file, steps) {
  const { stdout } = await promisify(execFile)(process.env.AFT_RESUME, [file, String(steps)]);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line).loss);
}

/** The results of `aft bench` for the cases that `wishes` name. */
export async function bench(wishes) {
  const choice = Object.entries(wishes).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const { stdout } = await promisify(execFile)(process.env.AFT_PROGRAM, ["bench", ...choice, "--format", "json"]);
  return JSON.parse(stdout);
}
