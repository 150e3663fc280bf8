/** A node of the file as the rules of output types see it. */

import type { OnnxNode } from '../../formats/onnx/index.ts';
import { type AnyValue, isComputable, isFollowed } from '../../ir/index.ts';
import type { Scope } from '../kit/scope.ts';
import { safeInteger } from './attributes.ts';
import type { PartialType, TypedNode } from './type_rules.ts';

export function typedNode(node: OnnxNode, operands: readonly (AnyValue | undefined)[], scope: Scope): TypedNode {
  const attribute = (name: string) => node.attributes.get(name);
  return {
    outputs: node.outputs.length,
    inputs: node.inputs.length,
    input(index) {
      const value = operands[index];
      return value === undefined || !isComputable(value) ? {} : { dtype: value.type.dtype, dims: value.type.shape };
    },
    elements(index) {
      const value = operands[index];
      const known = value && scope.elementsOf(value.id);
      if (value === undefined || known !== undefined || !isFollowed(value.type)) return known;
      const constant = scope.info(value.id)?.constant;
      return constant && Array.from<number | bigint, number>(scope.pool.get(constant).data, safeInteger);
    },
    int(name) {
      const given = attribute(name);
      return given?.kind === 'int' ? safeInteger(given.value) : undefined;
    },
    ints(name) {
      const given = attribute(name);
      return given?.kind === 'ints' ? given.value.map(safeInteger) : undefined;
    },
    text(name) {
      const given = attribute(name);
      return given?.kind === 'string' ? given.value : undefined;
    },
    tensorType(name) {
      const given = attribute(name);
      return given?.kind === 'tensor' ? given.value.dtype : undefined;
    },
    body(name) {
      const given = attribute(name);
      if (given?.kind !== 'graph') return undefined;
      return given.value.outputs.map(({ type }): PartialType => {
        if (type?.kind !== 'tensor') return {};
        // symbols of a body are its own
        return { dtype: type.dtype, dims: type.dims?.map((dim) => (typeof dim === 'number' ? dim : undefined)) };
      });
    },
  };
}
