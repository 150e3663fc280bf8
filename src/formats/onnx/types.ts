/** TypeProto and ValueInfoProto. */

import { dtypeOfOnnxCode, keysOf } from '../../tensors/index.ts';
import { type Context, invalid } from './context.ts';
import { readMessage } from './message.ts';
import type { OnnxDim, OnnxType, OnnxValueInfo } from './model.ts';
import { printable } from './printable.ts';
import { dimensionProto, shapeProto, tensorTypeProto, typeProto, valueInfoProto } from './schema.ts';
import type { Range } from './wire.ts';

const otherKinds = {
  sparseTensorType: 'sparseTensor',
  sequenceType: 'sequence',
  mapType: 'map',
  optionalType: 'optional',
  opaqueType: 'opaque',
} as const;

export function readType(context: Context, range: Range): OnnxType | undefined {
  const fields = readMessage(typeProto, context, range);
  const { tensorType } = fields;
  const others = keysOf(otherKinds).flatMap((key) => (fields[key] === undefined ? [] : [otherKinds[key]]));
  const given = [...(tensorType ? ['tensor'] : []), ...others];
  if (given.length > 1) invalid(context, `a type is both ${given.join(' and ')}`, range);
  if (tensorType === undefined) return others.length === 0 ? undefined : { kind: others[0] };

  const { elemType, shape } = readMessage(tensorTypeProto, context, tensorType);
  const onnxType = Number(elemType ?? 0);
  const dims = shape && readMessage(shapeProto, context, shape).dim.map((dim) => readDim(context, dim));
  return { kind: 'tensor', onnxType, dtype: dtypeOfOnnxCode(onnxType), dims };
}

function readDim(context: Context, range: Range): OnnxDim {
  const { dimValue, dimParam } = readMessage(dimensionProto, context, range);
  if (dimValue !== undefined && dimParam !== '')
    invalid(context, `a dimension is both ${dimValue} and '${printable(dimParam)}'`, range);
  if (dimValue === undefined) return dimParam === '' ? undefined : dimParam;
  if (typeof dimValue === 'bigint') invalid(context, `a dimension is ${dimValue}`, range);
  return dimValue < 0 ? undefined : dimValue;
}

export function readValueInfo(outer: Context, range: Range): OnnxValueInfo {
  const fields = readMessage(valueInfoProto, outer, range);
  const context = outer.inPart(fields.name);
  const type = fields.type && readType(context, fields.type);
  return { name: fields.name, type, range, unknownFields: fields.unknown.length > 0 };
}
