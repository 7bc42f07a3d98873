// Compiles every shader of a manifest with Tint, the compiler of Chromium, on Dawn's null backend: no GPU and no
// driver is needed. Tint refuses what naga lets pass, above all a barrier in non-uniform control flow.
//
//   node check.mjs DIR          checks DIR/manifest.json
//   node check.mjs --self-test  proves that good shaders pass and bad ones are found
//
// The manifest is an array of { label, file, entry, constants, plain }: a WGSL file relative to DIR, the entry point, its
// override constants by name, and whether the shader has to do without any optional feature. The null backend grants
// WebGPU's default limits, so workgroup sizes, workgroup memory and bindings are held to the floor as well.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { create, globals } from "webgpu";

Object.assign(globalThis, globals);

const OPTIONAL_FEATURES = ["shader-f16", "subgroups"];

/** Opens one device of WebGPU's floor and one with the optional features that kernels may use. */
async function openDevices(gpu) {
  const open = async (requiredFeatures) => (await gpu.requestAdapter()).requestDevice({ requiredFeatures });
  return { plain: await open([]), featured: await open(OPTIONAL_FEATURES) };
}

/** Compiles one entry point with its constants; returns what Tint has to say, warnings included, or nothing. */
async function complaints(device, source, { file, entry, constants }) {
  device.pushErrorScope("validation"); // compilation errors are read from the module, with their lines
  const module = device.createShaderModule({ code: source });
  await device.popErrorScope();

  const { messages } = await module.getCompilationInfo();
  const found = messages.filter(({ type }) => type !== "info");
  if (found.length > 0) {
    return found.map(({ type, lineNum, linePos, message }) => `${file}:${lineNum}:${linePos}: ${type}: ${message}`);
  }
  try {
    await device.createComputePipelineAsync({ layout: "auto", compute: { module, entryPoint: entry, constants } });
    return [];
  } catch (error) {
    return [`${file}: ${entry}: ${error.message}`];
  }
}

/** Checks all shaders; `read` turns a file name of the manifest into WGSL. Returns the failures, one line each. */
async function check(gpu, manifest, read) {
  const devices = await openDevices(gpu);
  const failures = [];
  for (const shader of manifest) {
    const device = shader.plain ? devices.plain : devices.featured;
    const found = await complaints(device, await read(shader.file), shader);
    failures.push(...found.map((text) => `${shader.label}: ${text.trim().replace(/\s*\n\s*/g, " ")}`));
  }
  return failures;
}

/** A check that cannot fail checks nothing: each case is one shader and whether Tint has to accept it. */
async function selfTest(gpu) {
  const kernel = (body, head = "") => `${head}
    override SIZE: u32 = 64;
    @group(0) @binding(0) var<storage, read_write> x: array<f32>;
    var<workgroup> tile: array<f32, SIZE>;
    @compute @workgroup_size(SIZE) fn main(@builtin(local_invocation_index) i: u32) { ${body} }`;
  const uniform = kernel("tile[i] = x[i]; workgroupBarrier(); x[i] = tile[SIZE - 1u - i];");
  const cases = [
    { label: "a sound kernel", accept: true, source: uniform },
    { label: "a barrier in non-uniform control flow", accept: false, source: kernel("if x[i] > 0.0 { workgroupBarrier(); }") },
    { label: "a barrier after an early return", accept: false, source: kernel("if x[i] > 0.0 { return; } workgroupBarrier();") },
    { label: "a syntax error", accept: false, source: kernel("x[i] = ;") },
    { label: "an unknown entry point", accept: false, source: uniform, entry: "missing" },
    { label: "an unknown constant", accept: false, source: uniform, constants: { WIDTH: 1 } },
    { label: "too many invocations", accept: false, source: uniform, constants: { SIZE: 512 } },
    { label: "f16 where it is granted", accept: true, source: kernel("x[i] = f32(f16(x[i]));", "enable f16;"), plain: false },
    { label: "f16 on the plain path", accept: false, source: kernel("x[i] = f32(f16(x[i]));", "enable f16;") },
  ];
  const failures = [];
  for (const { label, accept, source, entry = "main", constants = { SIZE: 128 }, plain = true } of cases) {
    const found = await check(gpu, [{ label, file: "case.wgsl", entry, constants, plain }], () => source);
    console.log(found[0] ?? `${label}: accepted`);
    if ((found.length === 0) !== accept) failures.push(`${label}: has to be ${accept ? "accepted" : "refused"}`);
  }
  return { failures, count: cases.length };
}

/** Checks the manifest of a folder; an empty one is a failure. */
async function checkFolder(gpu, folder) {
  const manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8"));
  if (!Array.isArray(manifest) || manifest.length === 0) {
    return { failures: [`${folder}/manifest.json lists no shader`], count: 0 };
  }
  const failures = await check(gpu, manifest, (file) => readFile(join(folder, file), "utf8"));
  return { failures, count: manifest.length };
}

const [argument] = process.argv.slice(2);
if (argument === undefined) {
  console.error("usage: node check.mjs DIR | --self-test");
  process.exit(2);
}
const gpu = create(["backend=null"]);
const run = argument === "--self-test" ? selfTest(gpu) : checkFolder(gpu, argument);
const { failures, count } = await run.catch((error) => ({ failures: [error.message], count: 0 }));
for (const failure of failures) console.error(failure);
console.log(`tint: ${count} shaders, ${failures.length} failures`);
process.exitCode = failures.length === 0 ? 0 : 1;
