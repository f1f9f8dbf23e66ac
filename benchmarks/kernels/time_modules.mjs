// Times modules with the export `repeat` in turn: a plan as JSON on stdin, the best seconds of one run of each on stdout.
import { readFileSync } from "node:fs";

const plan = JSON.parse(readFileSync(0, "utf8"));
const seconds = (run, count) => {
  const start = performance.now();
  run(count);
  return (performance.now() - start) / 1000;
};
const runs = plan.files.map((file) => {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)));
  exports.init();
  return exports.repeat;
});
const counts = runs.map((run) => {
  let count = 1;
  for (let spent = 0; spent < plan.warmUp; ) {
    const once = seconds(run, count);
    spent += once;
    if (once < plan.turn / 2) count *= 2;
  }
  return count;
});
const best = runs.map(() => Infinity);
for (let round = 0; round < plan.rounds; round++) {
  runs.forEach((run, index) => {
    best[index] = Math.min(best[index], seconds(run, counts[index]) / counts[index]);
  });
}
process.stdout.write(JSON.stringify(best));
