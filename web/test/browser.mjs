// Chromium with WebGPU on its software adapter, and pages that notice what a good page does not do.

import { chromium } from "playwright-core";
import { serve } from "../serve.mjs";

const WEBGPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

/** A host that leads to this machine but is not known to be it: an origin without a secure context. */
export const FAR_HOST = "far.test";

const QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-quic", "--disable-sync"];

/** How long anything in a page may take before it counts as hanging, in ms. */
const PATIENCE = 180_000;

/** A browser beside a server of the page. */
export class Browser {
  static async open({ webgpu = true } = {}) {
    const { server, port } = await serve();
    const args = [...QUIET, `--host-resolver-rules=MAP ${FAR_HOST} 127.0.0.1`, ...(webgpu ? WEBGPU : [])];
    const browser = await chromium.launch({ executablePath: process.env.AFT_CHROMIUM, args });
    return Object.assign(new Browser(), { server, port, browser });
  }

  async close() {
    await this.browser.close();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** The page as a user finds it; `before` is a function that runs in it ahead of any script, `query` ends its address. */
  async visit({ before, host = "127.0.0.1", query = "" } = {}) {
    const origin = `http://${host}:${this.port}`;
    const page = await this.browser.newPage();
    page.setDefaultTimeout(PATIENCE);
    const faults = watch(page, origin);
    if (before) await page.addInitScript(before);
    await page.goto(`${origin}/${query}`);
    await page.waitForFunction(() => document.getElementById("status").textContent !== "Loading…");
    return new Page(page, faults);
  }
}

/** Collects what a page must not do. */
function watch(page, origin) {
  const faults = [];
  page.on("pageerror", (error) => faults.push(`uncaught: ${error.message}`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    const { protocol, origin: asked } = new URL(request.url());
    if (asked !== origin && !["data:", "blob:"].includes(protocol)) faults.push(`request: ${request.url()}`);
  });
  return faults;
}

/** What tests do with a page. */
class Page {
  constructor(page, faults) {
    Object.assign(this, { page, faults });
  }

  status() {
    return this.page.textContent("#status");
  }

  /** Waits for a status. */
  async reaches(pattern) {
    const matches = (source) => new RegExp(source).test(document.getElementById("status").textContent);
    await this.page.waitForFunction(matches, pattern.source);
  }

  /** Waits until the page takes the next wish. */
  async rests() {
    await this.page.waitForFunction(() => !document.getElementById("train").disabled);
  }

  async press() {
    await this.page.click("#train");
    await this.rests();
  }

  /** The loss that the page shows, in nats per byte. */
  async loss() {
    return Number(await this.page.getAttribute("#loss", "value"));
  }

  /** Runs a function in the page with the module of the wasm crate and an argument. */
  async call(work, argument) {
    const module = await this.page.evaluateHandle(() => import(new URL("aft_wgpu_web.js", document.baseURI)));
    return await module.evaluate(work, argument);
  }

  close() {
    return this.page.close();
  }
}
