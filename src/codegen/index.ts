/** Back ends and what is planned for them, and compiled files. */
export { type Backend, type Fallback, type Library, MOST_THREADS, type NodeTime, type Session } from './backend.ts';
export { type CompiledModel, readCompiledFile, writeCompiledFile } from './compiled_file.ts';
export { isCompiledFile } from './compiled_name.ts';
export { type Header, headerOf, type Source } from './compiled_sections.ts';
export { type BodyProgram, control } from './control/index.ts';
export { later } from './later/index.ts';
export { type LegalizeOptions, legalize } from './legalize.ts';
export { loadPlanner } from './load_planner.ts';
export { costRowsOf, type MeasuredLayer, measurable, measureStrategies } from './measure_strategies.ts';
export * from './onednn/index.ts';
export { type KernelChoice, kernelChoices } from './onednn/machine.ts';
export {
  type FoundType,
  type OnnxRuntime,
  type OnnxRuntimeSession,
  onnxruntime,
  type PartWriter,
} from './onnxruntime/index.ts';
export { fallbacksOf, type Part, partition, planGraph, planningOf, type Step } from './partition.ts';
export { PlanFamilies } from './plan_families.ts';
export { canBeReady, type ReadToRun, type ReadyModel, readReady } from './ready_model.ts';
export * from './reference/index.ts';
export { select } from './select.ts';
export { foldAll, selectAll } from './select_bodies.ts';
export { atOnce, type Steps } from './steps.ts';
export { type TargetName, targetDocs, targetNames, usualTarget } from './target_names.ts';
export {
  defaultTarget,
  resolveTarget,
  type TargetDescription,
  targetFor,
} from './targets.ts';
export { usualTiming } from './timing.ts';
