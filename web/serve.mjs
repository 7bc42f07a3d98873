// Serves the page to this machine alone: `node web/serve.mjs [PORT]`, after `make web`.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { basename, extname, join } from "node:path";
import { fileURLToPath } from "node:url";

const DIST = fileURLToPath(new URL("dist", import.meta.url));

const TYPES = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
};

/** Answers with one file of the page's folder, which has no folders in it. */
async function answer(request, response) {
  const name = basename(request.url.split("?")[0]) || "index.html";
  try {
    const body = await readFile(join(DIST, name));
    response.writeHead(200, { "content-type": TYPES[extname(name)] ?? "application/octet-stream" }).end(body);
  } catch {
    response.writeHead(404, { "content-type": "text/plain" }).end("no file of this page\n");
  }
}

/** Listens on a port of 127.0.0.1, a free one where none is given; resolves to the server and the port. */
export function serve(port = 0) {
  return new Promise((resolve, reject) => {
    const server = createServer(answer).on("error", reject);
    server.listen(port, "127.0.0.1", () => resolve({ server, port: server.address().port }));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { port } = await serve(Number(process.argv[2] ?? 8080));
  console.log(`http://127.0.0.1:${port}`);
}
