/**
 * The ImageNet MobileNetV2 that PyTorch quantized, exported to ONNX (QDQ). A whole deep network of another engine
 * cannot be compared end to end: a tie that is broken differently spreads. So it is compared layer by layer, each
 * layer on the recorded integers of the layers before it, and end to end only by class and distance.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { constantOf, type Graph, type Node, producersOf } from '../../src/ir/graph.ts';
import { evaluateNode } from '../../src/ir/interpret.ts';
import { topologicalOrder } from '../../src/ir/order.ts';
import type { ValueId } from '../../src/ir/types.ts';
import { type ITensor, sizeOf } from '../../src/tensors/tensor.ts';
import { readNpy, readNpz } from '../support/npy.ts';
import type { Backend } from './run_case.ts';

const folder = 'real/mobilenet_quantized';

export function mobilenet(root: string): Graph {
  const file = join(root, folder, 'mobilenet_quantized-torchexport-opset13.onnx');
  return importOnnx(new Uint8Array(readFileSync(file)), { file });
}

export interface Agreement {
  readonly layers: number;
  readonly elements: number;
  /** One step off, in the direction that the export's biases explain. */
  readonly byBias: number;
  /** Off in any other way. */
  readonly other: number;
}

/**
 * The integers of every quantized layer for the first image, computed from the integers that PyTorch (qnnpack) recorded before it.
 *
 * torch.onnx.export truncates bias/(sx·sw) to int32 where PyTorch rounds it, so that a bias of the file is up to one
 * unit of the accumulator nearer to zero: results may be one step off, against the sign of the bias.
 */
export function compareLayers(root: string, graph: Graph): Agreement {
  const arrays = readNpz(new Uint8Array(readFileSync(join(root, folder, 'layers.qnnpack.image0.npz'))));
  const recorded = [...arrays.values()]; // in the order of the network
  const producers = producersOf(graph);
  const values = new Map<ValueId, ITensor>([[graph.inputs[0], images(root)[0]]]);
  const result = { layers: 0, elements: 0, byBias: 0, other: 0 };
  for (const node of topologicalOrder(graph).order) {
    const operands = node.operands.map((id) =>
      id === null ? null : (values.get(id) ?? constantOf(graph, id) ?? null),
    );
    let [y] = evaluateNode(node, operands);
    if (node.op === 'qnn.quantize') {
      const expected = recorded[result.layers++];
      if (expected.shape.join() !== y.shape.join())
        throw new Error(`${node.id} is not a layer of shape [${expected.shape}]`);
      const bias = biasBehind(graph, producers, node);
      const inner = sizeOf(y.shape.slice(2));
      for (let i = 0; i < y.data.length; i++) {
        const distance = Number(y.data[i]) - Number(expected.data[i]);
        if (distance === 0) continue;
        const sign = bias ? Math.sign(Number(bias.data[Math.floor(i / inner) % bias.data.length])) : undefined;
        // a bias below one unit became 0: its sign is lost
        if (Math.abs(distance) === 1 && (sign === 0 || sign === -distance)) result.byBias++;
        else result.other++;
      }
      result.elements += y.data.length;
      y = expected;
    }
    values.set(node.id, y);
  }
  return result;
}

/** The int32 bias of the convolution or matrix product that a quantize follows, undefined where the product has no bias. */
function biasBehind(graph: Graph, producers: ReadonlyMap<ValueId, Node>, quantize: Node): ITensor | undefined {
  let node = producers.get(quantize.operands[0] as ValueId);
  if (node?.op === 'nn.relu') node = producers.get(node.operands[0] as ValueId);
  const bias = node?.op === 'nn.conv' ? node.operands[2] : node?.op === 'nn.add' ? node.operands[1] : undefined;
  const integers = bias && constantOf(graph, producers.get(bias)?.operands[0]);
  return integers?.dtype === 's32' ? integers : undefined;
}

/** The three photographs, [1, 3, 224, 224] each. */
export function images(root: string): readonly ITensor[] {
  const all = readNpy(new Uint8Array(readFileSync(join(root, 'real/imagenet/inputs3.npy'))));
  return rowsOf(all).map((data) => ({ dtype: all.dtype, shape: [1, ...all.shape.slice(1)], data }) as ITensor);
}

export interface Distance {
  readonly image: number;
  readonly reference: string;
  readonly sameClass: boolean;
  /** The largest difference of a logit, in steps of the output. */
  readonly steps: number;
}

const step = 0.15309934318065643;
const references = ['torch26.qnnpack', 'torch26.onednn', 'onnx.qdq64', 'onnx.ort130.all', 'onnx.ort130.disabled'];

/** End to end, against every recorded reference, over the first `count` photographs. */
export async function compareLogits(
  root: string,
  graph: Graph,
  backend: Backend,
  count = 3,
): Promise<readonly Distance[]> {
  const distances: Distance[] = [];
  for (const [image, x] of images(root).slice(0, count).entries()) {
    const logits = (await backend(graph, { [graph.inputs[0]]: x }))[graph.outputs[0]].data as Float32Array;
    for (const reference of references) {
      const expected = rowsOf(readNpy(new Uint8Array(readFileSync(join(root, folder, `${reference}.out.npy`)))))[image];
      const gaps = Array.from(logits, (value, i) => Math.abs(value - Number(expected[i])) / step);
      const sameClass = greatest(logits) === greatest(expected as Float32Array);
      distances.push({ image, reference, sameClass, steps: Math.round(Math.max(...gaps)) });
    }
  }
  return distances;
}

function rowsOf({ data, shape }: ITensor): readonly ITensor['data'][] {
  const size = data.length / shape[0];
  return Array.from({ length: shape[0] }, (_, row) => data.slice(row * size, (row + 1) * size));
}

const greatest = (values: Float32Array): number => values.indexOf(Math.max(...values));
