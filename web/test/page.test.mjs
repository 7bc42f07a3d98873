// The page in a browser, against the native program: the same losses, the same checkpoints, and failures in plain words.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { Browser, FAR_HOST } from "./browser.mjs";
import { bench as benchNatively, train as trainNatively } from "./native.mjs";

const STEPS = 50;
const MORE = 10;

/**
 * How far losses may be apart, relative, by the number of steps since both sides had the same weights. The first step
 * differs in rounding alone; every update carries the differences on, and Adam's division by small moments enlarges them.
 * SwiftShader against lavapipe stays below 2e-7; the room is for the native side on a GPU, whose exp rounds otherwise.
 */
const tolerance = (step) => (step === 1 ? 1e-5 : step <= 10 ? 1e-4 : 1e-3);

function assertSameLosses(losses, expected) {
  assert.equal(losses.length, expected.length);
  losses.forEach((loss, i) => {
    const apart = Math.abs(loss - expected[i]) / expected[i];
    assert.ok(apart <= tolerance(i + 1), `step ${i + 1}: ${loss} against ${expected[i]}, ${apart} apart`);
  });
}

/** In the page: a new run's losses. */
const startAndTrain = async ({ Run }, steps) => {
  const run = await Run.create({});
  return Array.from(await run.train(steps));
};

/** In the page: the losses of a run that goes on from a checkpoint in base64. */
const resumeAndTrain = async ({ Run }, [checkpoint, steps]) => {
  const run = await Run.resume(Uint8Array.from(atob(checkpoint), (c) => c.charCodeAt(0)));
  return Array.from(await run.train(steps));
};

/** In the page, ahead of its scripts: the adapter passes for a GPU, so that a GPU's kernels are chosen. */
const passForGpu = () => Object.defineProperty(GPUAdapterInfo.prototype, "isFallbackAdapter", { get: () => false });

/** In the page, ahead of its scripts: keeps the devices that the page gets. */
const keepDevices = () => {
  const request = GPUAdapter.prototype.requestDevice;
  globalThis.devices = [];
  GPUAdapter.prototype.requestDevice = async function (...wishes) {
    const device = await request.apply(this, wishes);
    globalThis.devices.push(device);
    return device;
  };
};

describe("with WebGPU", () => {
  let browser, folder, nativeFile, nativeCheckpoint, native;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "aft-web-"));
    nativeFile = join(folder, "native.safetensors");
    const first = await trainNatively(nativeFile, STEPS);
    nativeCheckpoint = await readFile(nativeFile);
    native = { first, then: await trainNatively(nativeFile, MORE) };
    browser = await Browser.open();
  });

  after(async () => {
    await browser?.close();
    await rm(folder, { recursive: true });
  });

  test("a press trains 50 steps, shows loss and sample, and its checkpoint goes on natively", async () => {
    const page = await browser.visit();
    assert.match(await page.status(), /^Ready: .+\.$/);
    await page.press();
    assert.equal(await page.status(), "50 of 2000 steps are done.");
    const [loss, expected] = [await page.loss(), native.first.at(-1)];
    assert.ok(Math.abs(loss - expected) <= tolerance(STEPS) * expected, `${loss} against ${expected}`);
    assert.equal(await page.page.textContent("#loss"), (loss / Math.LN2).toFixed(2));
    assert.ok((await page.page.textContent("#sample")).length >= 100);

    const [download] = await Promise.all([page.page.waitForEvent("download"), page.page.click("#save")]);
    const file = join(folder, "page.safetensors");
    await download.saveAs(file);
    const checkpoint = (await readFile(file)).toString("base64");
    assertSameLosses(await page.call(resumeAndTrain, [checkpoint, MORE]), await trainNatively(file, MORE));
    assert.deepEqual(page.faults, []);
    await page.close();
  });

  test("a native checkpoint goes on in the page", async () => {
    const page = await browser.visit();
    const file = { name: "native.safetensors", mimeType: "application/octet-stream", buffer: nativeCheckpoint };
    await page.page.setInputFiles("#load", file);
    await page.reaches(/^50 of 2000 steps are done/);
    const checkpoint = nativeCheckpoint.toString("base64");
    assertSameLosses(await page.call(resumeAndTrain, [checkpoint, MORE]), native.then);
    assert.deepEqual(page.faults, []);
    await page.close();
  });

  // A GPU's kernels take their time on a processor, so they run a few steps.
  for (const [kernels, disguise, steps] of [
    ["a processor's", undefined, STEPS],
    ["a GPU's", passForGpu, 10],
  ]) {
    test(`${kernels} kernels give the native losses`, async () => {
      const page = await browser.visit({ before: disguise });
      assert.match(await page.status(), disguise ? /GPU of unknown kind/ : /software/);
      assertSameLosses(await page.call(startAndTrain, steps), native.first.slice(0, steps));
      assert.deepEqual(page.faults, []);
      await page.close();
    });
  }

  test("a device lost in training is said, and the next press goes on from the checkpoint", async () => {
    const page = await browser.visit({ before: keepDevices });
    await page.press();
    await page.page.click("#train");
    await page.reaches(/step (5[5-9]|[6-9]\d) of/);
    await page.page.evaluate(() => devices.at(-1).destroy());
    await page.rests();
    assert.match(await page.status(), /device was lost.*goes on from the last checkpoint/);
    await page.press();
    assert.equal(await page.status(), "100 of 2000 steps are done.");
    assert.equal(await page.page.evaluate(() => devices.length), 2);
    assert.deepEqual(page.faults, []);
    await page.close();
  });

  test("errors have a kind, and the run lives on", async () => {
    const page = await browser.visit();
    const kinds = await page.call(async ({ Run }) => {
      const kind = (promise) => promise.then(() => "none", ({ name, kind }) => `${name} ${kind}`);
      const run = await Run.create({ seed: 7, steps: 4 });
      const together = [kind(run.train(1)), kind(run.train(1))];
      return [
        ...(await Promise.all(together)),
        await kind(run.train(4)),
        await kind(run.train(-1)),
        await kind(run.sample(10, NaN, 0)),
        await kind(Run.create({ sed: 7 })),
        await kind(Run.create({ steps: 0 })),
        await kind(Run.resume(new Uint8Array(100))),
        await kind(run.train(3)),
        run.step,
      ];
    });
    const config = "AftError Config";
    const expected = ["none", "AftError Busy", config, config, config, config, config, "AftError Format", "none", 4];
    assert.deepEqual(kinds, expected);
    assert.deepEqual(page.faults, []);
    await page.close();
  });

  test("the benchmark gives the results of the native program, and the page its turns", async () => {
    const page = await browser.visit();
    const wishes = { op: "aft", form: "simple", length: 256 };
    const { text, told, turns } = await page.call(async ({ bench }, wishes) => {
      let turns = 0;
      const told = [];
      const timer = setInterval(() => (turns += 1), 1);
      const text = await bench({ ...wishes, progress: (...progress) => void told.push(progress) });
      clearInterval(timer);
      return { text, told, turns };
    }, wishes);
    const [results, native] = [JSON.parse(text), await benchNatively(wishes)];
    assert.equal(results.schema, native.schema);
    const { adapter } = results;
    assert.deepEqual([adapter.backend, adapter.software], ["BrowserWebGpu", true]);
    // Each side was dirty or not when it was compiled.
    const commit = ({ adapter }) => adapter.commit?.replace(/-dirty$/, "");
    assert.equal(commit(results), commit(native));
    for (const part of ["adapter", "limits", "rows"]) {
      const keys = (all) => Object.keys(part === "adapter" ? all.adapter : all[part][0]);
      assert.deepEqual(keys(results), keys(native), part);
    }
    // What one device does not grant, as f16, is told.
    const untaken = ({ skipped }) => skipped.filter(({ case: of }) => of.startsWith("limit: ")).map(({ case: of }) => of.slice(7));
    const names = (all) => [...all.limits.map(({ name }) => name), ...untaken(all)].sort();
    assert.deepEqual(names(results), names(native));
    assert.deepEqual(untaken(results), adapter.features.includes("SHADER_F16") ? [] : ["fma f16"]);
    const cases = ({ rows }) => rows.map(({ op, form, direction, T, D, causal, gate }) => [op, form, direction, T, D, causal, gate]);
    assert.deepEqual(cases(results), cases(native));
    assert.equal(results.rows.length, 4);
    assert.ok(results.rows.every(({ gate, median_ms }) => gate === "pass" && median_ms > 0));
    const of = told.at(-1)[1];
    // Of each part it is told at first, and again between its measurements.
    const parts = told.filter(([done], i) => done !== told[i - 1]?.[0]);
    assert.deepEqual(parts.map(([done]) => done), [...Array(of + 1).keys()]);
    assert.ok(told.length > 2 * parts.length);
    // The seconds left are known from the first part on, and none in the end.
    assert.deepEqual([told[0][3], told.at(-1)[3]], [undefined, 0]);
    assert.ok(parts.slice(1, -1).every(([, , , left]) => left > 0));
    assert.ok(turns >= parts.length, `${turns} turns in ${parts.length} parts`);
    assert.deepEqual(page.faults, []);
    await page.close();
  });

  test("the benchmark stops when it is told to, and refuses what there is not", async () => {
    const page = await browser.visit();
    const [rows, ...kinds] = await page.call(async ({ bench }) => {
      const kind = (promise) => promise.then(() => "none", ({ name, kind }) => `${name} ${kind}`);
      const stopped = bench({ op: "aft", progress: () => false });
      const busy = await kind(bench({ op: "aft" }));
      const rows = JSON.parse(await stopped).rows.length;
      const wrong = [{ op: "atention" }, { effort: "all" }, { length: -1 }, { progress: 1 }, { opp: "aft" }, 1];
      const throws = () => {
        throw new Error("no");
      };
      const kinds = [];
      for (const options of [...wrong, { op: "aft", progress: throws }]) kinds.push(await kind(bench(options)));
      return [rows, busy, ...kinds];
    });
    assert.deepEqual([rows, ...kinds], [0, "AftError Busy", ...Array(7).fill("AftError Config")]);
    assert.deepEqual(page.faults, []);
    await page.close();
  });

  test("a press measures, and the results are saved", async () => {
    const page = await browser.visit({ query: "?op=aft&form=simple&length=256" });
    await page.page.click("#bench");
    await page.reaches(/^4 results, 0 of them wrong/);
    const [download] = await Promise.all([page.page.waitForEvent("download"), page.page.click("#results")]);
    const file = join(folder, "results.json");
    await download.saveAs(file);
    const results = JSON.parse(await readFile(file, "utf8"));
    assert.ok(results.rows.length === 4 && results.rows.every(({ gate }) => gate === "pass"));
    assert.deepEqual(page.faults, []);
    await page.close();
  });

  test("a measurement that is stopped leaves what is done so far", async () => {
    const page = await browser.visit({ query: "?op=aft&length=256" });
    await page.page.click("#bench");
    // The first form has its times when another is told of.
    await page.reaches(/: aft (?!simple).*, about \d+ (s|min) left/);
    await page.page.click("#stop");
    await page.rests();
    const said = await page.status();
    const [, rows] = said.match(/^(\d+) results until it was stopped, 0 of them wrong\.$/) ?? assert.fail(said);
    const [download] = await Promise.all([page.page.waitForEvent("download"), page.page.click("#results")]);
    const file = join(folder, "stopped.json");
    await download.saveAs(file);
    const results = JSON.parse(await readFile(file, "utf8"));
    assert.equal(results.rows.length, Number(rows));
    assert.ok(Number(rows) > 0);
    const all = await benchNatively({ op: "aft", length: 256 });
    assert.ok(results.rows.length < all.rows.length, `${rows} of ${all.rows.length}`);
    assert.deepEqual(page.faults, []);
    await page.close();
  });

  test("a measurement that there is not is refused in words", async () => {
    const page = await browser.visit({ query: "?op=atention" });
    await page.page.click("#bench");
    await page.reaches(/no such case/);
    assert.ok(await page.page.isDisabled("#results"));
    assert.deepEqual(page.faults, []);
    await page.close();
  });

  test("a file that is no checkpoint is refused", async () => {
    const page = await browser.visit();
    const file = { name: "x.safetensors", mimeType: "application/octet-stream", buffer: Buffer.from("no checkpoint") };
    await page.page.setInputFiles("#load", file);
    await page.reaches(/not a/i);
    assert.deepEqual(page.faults, []);
    await page.close();
  });

  test("a request to elsewhere would be noticed", async () => {
    const page = await browser.visit();
    await page.page.evaluate(() => fetch("https://elsewhere.test/").catch(() => {}));
    assert.ok(page.faults.some((fault) => fault.includes("Content Security Policy")), page.faults.join("\n"));
    await page.close();
  });
});

describe("without", () => {
  let browser;
  before(async () => (browser = await Browser.open({ webgpu: false })));
  after(() => browser?.close());

  const removeWebGpu = () => delete Navigator.prototype.gpu;
  for (const [what, visit, said, warned] of [
    ["an adapter", {}, /found no GPU/, ["console: No available adapters."]], // Chromium's own words
    ["WebGPU", { before: removeWebGpu }, /has no WebGPU/, []],
    ["a secure origin", { host: FAR_HOST }, /insecure connection/, []],
  ]) {
    test(`${what}: the page says why it cannot train`, async () => {
      const page = await browser.visit(visit);
      assert.match(await page.status(), said);
      assert.ok(await page.page.isDisabled("#train"));
      assert.deepEqual(page.faults, warned);
      await page.close();
    });
  }
});
