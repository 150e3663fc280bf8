/** Changes of the parameters of ONNX nodes: attributes and constant tensors. */
import onnxProto from 'onnx-proto';
import { onnxOps } from '../../../src/importers/onnx/op_table.ts';
import { dtypes } from '../../../src/ir/index.ts';
import { changedNumber, type Draw, hostileFloats, hostileIntegers, once, pick } from '../draw.ts';
import { type Attribute, drawName, type Graph, infoOf, nodesOf, type Tensor, tensorsOf } from './onnx_parts.ts';

const { AttributeType } = onnxProto.onnx.AttributeProto;
export const elementTypes = [...Object.values(dtypes).map(({ onnxCode }) => onnxCode), 0, 8, 14, 17, 21, 22, 99, -1];

// ---- attributes

const knownAttributes = [...new Set(onnxOps.flatMap(({ attributes }) => attributes))];
const strings = [
  'SAME_UPPER',
  'SAME_LOWER',
  'VALID',
  'NOTSET',
  'constant',
  'reflect',
  'edge',
  'wrap',
  'nearest',
  'linear',
  'cubic',
];
const moreStrings = [
  'floor',
  'ceil',
  'align_corners',
  'asymmetric',
  'half_pixel',
  'pytorch_half_pixel',
  'tf_crop_and_resize',
];
const words = [
  ...strings,
  ...moreStrings,
  'round_prefer_floor',
  'DCR',
  'CRD',
  'none',
  'tanh',
  'ij,jk->ik',
  '',
  '\u00ff',
  '../w.bin',
];

export function attributeOf(draw: Draw, name: string): Attribute {
  const integer = () => (once(draw, 4) ? pick<number>(draw, hostileIntegers) : draw(5) - 1);
  switch (draw(6)) {
    case 0:
      return { name, type: AttributeType.INT, i: integer() };
    case 1:
      return { name, type: AttributeType.FLOAT, f: pick<number>(draw, hostileFloats) };
    case 2:
      return { name, type: AttributeType.STRING, s: Buffer.from(pick(draw, words)) };
    case 3:
      return {
        name,
        type: AttributeType.FLOATS,
        floats: Array.from({ length: draw(5) }, () => pick<number>(draw, hostileFloats)),
      };
    default:
      return { name, type: AttributeType.INTS, ints: Array.from({ length: draw(6) }, integer) };
  }
}

/** `inside` changes a body of control flow. */
export function changeAttribute(graph: Graph, draw: Draw, inside: (body: Graph) => void): void {
  const node = pick(draw, nodesOf(graph));
  if (node === undefined) return;
  node.attribute ??= [];
  const attributes = node.attribute;
  const declared = onnxOps.find(({ name }) => name === node.opType)?.attributes ?? [];
  const name = once(draw, 6) || declared.length === 0 ? pick(draw, knownAttributes) : pick(draw, declared);
  if (attributes.length === 0 || once(draw, 5)) {
    const at = attributes.findIndex((attribute) => attribute.name === name);
    attributes.splice(at < 0 ? attributes.length : at, at < 0 || once(draw, 20) ? 0 : 1, attributeOf(draw, name));
    return;
  }
  const at = draw(attributes.length);
  const attribute = attributes[at];
  if (once(draw, 8)) attributes.splice(at, 1);
  else if (once(draw, 12)) attributes[at] = attributeOf(draw, attribute.name ?? '');
  else if (attribute.ints?.length) changeList(attribute.ints as number[], draw, false);
  else if (attribute.floats?.length) changeList(attribute.floats, draw, true);
  else if (attribute.s?.length) attribute.s = Buffer.from(pick(draw, words));
  else if (attribute.t) changeContents(attribute.t, draw);
  else if (attribute.g?.node?.length) inside(attribute.g);
  else if (attribute.type === AttributeType.FLOAT) attribute.f = changedNumber(draw, Number(attribute.f), true);
  else attribute.i = changedNumber(draw, Number(attribute.i ?? 0), false);
}

/** A number of an attribute is another small one, a word another of the words. */
export function changeAttributeSlightly(graph: Graph, draw: Draw): void {
  const attribute = pick(
    draw,
    nodesOf(graph).flatMap((node) => node.attribute ?? []),
  );
  if (attribute === undefined) return;
  if (attribute.ints?.length) (attribute.ints as number[])[draw(attribute.ints.length)] = draw(4);
  else if (attribute.type === AttributeType.INT) attribute.i = draw(4);
  else if (attribute.type === AttributeType.FLOAT) attribute.f = pick<number>(draw, hostileFloats);
  else if (attribute.s?.length) attribute.s = Buffer.from(pick(draw, words));
}

function changeList(list: number[], draw: Draw, isFloat: boolean): void {
  const [at, to] = [draw(list.length), draw(list.length)];
  switch (draw(10)) {
    case 0:
      list.splice(at, 1);
      break;
    case 1:
      list.push(list[at]);
      break;
    case 2:
      [list[at], list[to]] = [list[to], list[at]];
      break;
    default:
      list[at] = changedNumber(draw, Number(list[at]), isFloat);
  }
}

// ---- tensors

export function changeTensor(graph: Graph, draw: Draw): void {
  const tensors = tensorsOf(graph);
  if (tensors.length === 0) return;
  const at = draw(tensors.length);
  const tensor = tensors[at];
  switch (draw(10)) {
    case 0: // it is an input then
      tensors.splice(at, 1);
      (graph.input ??= []).push(infoOf(tensor.name ?? '', Number(tensor.dataType), (tensor.dims ?? []).map(Number)));
      return;
    case 1:
      tensor.dataType = pick(draw, elementTypes);
      return;
    case 2:
      if (tensor.dims?.length) changeList(tensor.dims as number[], draw, false);
      else tensor.dims = [once(draw, 3) ? 0 : 1];
      return;
    case 3: // the same elements in another shape
      tensor.dims = once(draw, 2) ? [product(tensor)] : [1, ...(tensor.dims ?? [])];
      return;
    case 4:
      if (tensor.rawData) tensor.rawData = tensor.rawData.subarray(0, draw(tensor.rawData.length + 1));
      return;
    case 5:
      if (once(draw, 4)) tensor.name = drawName(graph, draw);
      else if (once(draw, 3)) {
        tensor.dataLocation = 1;
        tensor.externalData = [{ key: 'location', value: pick(draw, ['w.bin', '../w.bin', '/etc/hostname', '']) }];
      } else tensors.push({ ...tensor, name: once(draw, 2) ? tensor.name : `${tensor.name}.again` });
      return;
    default:
      changeContents(tensor, draw);
  }
}

const product = (tensor: Tensor): number => (tensor.dims ?? []).reduce<number>((n, dim) => n * Number(dim), 1);

export function changeTensorContents(graph: Graph, draw: Draw): void {
  const tensor = pick(draw, tensorsOf(graph));
  if (tensor) changeContents(tensor, draw);
}

/** Elements become extreme: scales of 0, NaN and infinity, zero points at both ends. */
function changeContents(tensor: Tensor, draw: Draw): void {
  const raw = tensor.rawData;
  if (raw?.length) {
    const changed = Buffer.from(raw);
    const isFloat = tensor.dataType === 1;
    for (let n = once(draw, 4) ? changed.length : 1 + draw(3); n > 0; n--) {
      if (isFloat && changed.length >= 4)
        changed.writeFloatLE(pick<number>(draw, hostileFloats), 4 * draw(Math.floor(changed.length / 4)));
      else changed[draw(changed.length)] = pick(draw, [0, 1, 127, 128, 255, draw(256)]);
    }
    tensor.rawData = changed;
    return;
  }
  const isFloat = Boolean(tensor.floatData?.length || tensor.doubleData?.length);
  const list = [tensor.floatData, tensor.int32Data, tensor.int64Data, tensor.doubleData].find((l) => l?.length);
  if (list) changeList(list as number[], draw, isFloat);
  else (tensor.int32Data ??= []).push(draw(256));
}
