// The benchmark in a worker, so that the page has its turns while the reference computes. It takes the options of `bench`, or
// "stop"; it gives { progress }, and in the end { results } or { error }.

import init, { bench } from "./aft_wgpu_web.js";

let stopped = false;

onmessage = ({ data }) => {
  if (data === "stop") stopped = true;
  else measure(data);
};

async function measure(wishes) {
  const progress = (done, of, next, left) => {
    postMessage({ progress: { done, of, next, left } });
    return !stopped;
  };
  try {
    await init();
    postMessage({ results: await bench({ ...wishes, progress }) });
  } catch (error) {
    postMessage({ error: error.message });
  }
}
