/**
 * Loads a model in a process of its own, as an application does, from the compiled library, and prints the time and the most memory:
 * the arguments are path, profile and number of threads.
 */
import { compile, importModel } from '../../dist/index.js';

const [, , path, profile, threads] = process.argv;
const start = performance.now();
const model = await compile(await importModel(path, { profile }), { threads: Number(threads) });
const loadMs = performance.now() - start;
model.dispose();
console.log(JSON.stringify({ loadMs, peakMiB: process.resourceUsage().maxRSS / 1024 }));
