// The bare page: one button trains, one number falls, one sample shows what was learned.

import init, { Run, adapter } from "./aft_wgpu_web.js";

const STEPS = 50; // of one press
const GLANCE = 5; // steps between two looks at the loss
const SAMPLE = { bytes: 200, temperature: 0.7, seed: 0 };

const [trainButton, saveButton, loadInput, lossData, statusText, sampleText] = [
  "train",
  "save",
  "load",
  "loss",
  "status",
  "sample",
].map((id) => document.getElementById(id));
const [benchButton, stopButton, resultsButton] = ["bench", "stop", "results"].map((id) => document.getElementById(id));

/** The run under way; undefined before the first press and after a lost device. */
let run;

/** The bytes of the latest checkpoint: what a lost device does not take away. */
let checkpoint;

/** The JSON of the latest benchmark. */
let results;

const say = (text) => (statusText.textContent = text);

/** Lets one action run at a time, and puts what goes wrong in words. */
async function perform(action) {
  const controls = [trainButton, saveButton, loadInput, benchButton, resultsButton];
  controls.forEach((control) => (control.disabled = true));
  try {
    await action();
  } catch (error) {
    say(explain(error));
  }
  trainButton.disabled = loadInput.disabled = benchButton.disabled = false;
  saveButton.disabled = checkpoint === undefined;
  resultsButton.disabled = results === undefined;
}

function explain(error) {
  if (error.kind !== "DeviceLost") return error.message;
  run = undefined;
  const way = checkpoint ? "goes on from the last checkpoint" : "starts anew";
  return `${error.message} Press “Train ${STEPS} steps”: it ${way}, on a new device.`;
}

/** Trains a press worth of steps, then lets the model write. */
async function train() {
  if (run === undefined) {
    say("Preparing the model…");
    run = checkpoint ? await Run.resume(checkpoint) : await Run.create({});
  }
  const stop = Math.min(run.step + STEPS, run.steps);
  while (run.step < stop) {
    const losses = await run.train(Math.min(GLANCE, stop - run.step));
    showLoss(losses.at(-1));
    say(`Training: step ${run.step} of ${run.steps}.`);
  }
  checkpoint = await run.checkpoint();
  await write();
  say(`${run.step} of ${run.steps} steps are done.`);
}

/** `loss` is in nats per byte; the page shows bits. */
function showLoss(loss) {
  lossData.value = loss;
  lossData.textContent = (loss / Math.LN2).toFixed(2);
}

async function write() {
  say("Writing…");
  const bytes = await run.sample(SAMPLE.bytes, SAMPLE.temperature, SAMPLE.seed);
  sampleText.textContent = new TextDecoder().decode(bytes).trim();
}

/** Runs the benchmark; the page's address may choose cases, as ?op=aft&form=simple&length=256. */
async function measure() {
  say("Preparing the benchmark…");
  const wishes = new URLSearchParams(location.search);
  const [effort, op, form, length] = ["effort", "op", "form", "length"].map((name) => wishes.get(name) ?? undefined);
  const worker = new Worker(new URL("bench.js", import.meta.url), { type: "module" });
  let stopped = false;
  stopButton.onclick = () => {
    stopped = stopButton.disabled = true;
    worker.postMessage("stop");
    say(`${statusText.textContent} It is the last.`);
  };
  stopButton.disabled = false;
  try {
    results = await outcome(worker, { effort, op, form, length: length && Number(length) }, () => stopped);
  } finally {
    stopButton.disabled = true;
    worker.terminate();
  }
  const { rows } = JSON.parse(results);
  const wrong = rows.filter(({ gate }) => gate !== "pass").length;
  say(`${rows.length} results${stopped ? " until it was stopped" : ""}, ${wrong} of them wrong.`);
}

/** Hands a worker its wishes; resolves to the JSON that it gives, and tells how far it is while nobody has stopped it. */
function outcome(worker, wishes, stopped) {
  return new Promise((resolve, reject) => {
    worker.onerror = ({ message }) => reject(new Error(message || "The benchmark's worker could not start."));
    worker.onmessage = ({ data: { progress, results, error } }) => {
      if (error !== undefined) reject(new Error(error));
      else if (results !== undefined) resolve(results);
      else if (!stopped()) say(`Measuring ${progress.done} of ${progress.of}: ${progress.next}${left(progress)}.`);
    };
    worker.postMessage(wishes);
  });
}

/** The time left in words, if it is known. */
function left({ left: seconds }) {
  if (!seconds) return "";
  return seconds < 90 ? `, about ${Math.ceil(seconds)} s left` : `, about ${Math.round(seconds / 60)} min left`;
}

/** Offers what was made here as a file. */
function save(content, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content]));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

async function load() {
  const [file] = loadInput.files;
  loadInput.value = "";
  say("Preparing the model…");
  const bytes = new Uint8Array(await file.arrayBuffer());
  run = await Run.resume(bytes);
  checkpoint = bytes;
  await write();
  say(`${run.step} of ${run.steps} steps are done.`);
}

trainButton.addEventListener("click", () => perform(train));
saveButton.addEventListener("click", () => save(checkpoint, "checkpoint.safetensors"));
benchButton.addEventListener("click", () => perform(measure));
resultsButton.addEventListener("click", () => save(results, "results.json"));
loadInput.addEventListener("change", () => perform(load));

try {
  await init();
  say(`Ready: ${await adapter()}.`);
  trainButton.disabled = loadInput.disabled = benchButton.disabled = false;
} catch (error) {
  say(error.message);
}
