/** ONNX Runtime where the package onnxruntime-node is installed: an optional peer, loaded when a part of a model needs it. */
import type { OnnxRuntime } from '../../codegen/index.ts';
import { installedFile } from './installed.ts';
import { Thread } from './thread.ts';

let started: Thread | undefined;

/** Started by the first call, and anew where it has ended. @throws UnskewError U5001 where the package is not installed */
export function onnxruntimeHere(): OnnxRuntime {
  if (started === undefined || started.hasEnded) started = new Thread(installedFile());
  return started;
}
