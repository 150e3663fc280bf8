/** Targets by name and by machine: the zero points that each takes, and unknown names. */
import { describe, expect, it } from 'vitest';
import type { Isa } from '../../../src/codegen/onednn/machine.ts';
import { targetNames } from '../../../src/codegen/target_names.ts';
import { resolveTarget } from '../../../src/codegen/targets.ts';
import { compile, legalize } from '../../../src/index.ts';
import { GraphBuilder } from '../../../src/ir/index.ts';
import { nnRelu } from '../../../src/ir/ops/nn_elementwise_unary.op.ts';

const relu = () => {
  const b = new GraphBuilder();
  return b.finish([b.emit(nnRelu, { x: b.input('x', 'f32', [4]) })]);
};

describe('capabilities', () => {
  it('are absent for symmetric', () => {
    const { capabilities } = resolveTarget('symmetric');
    expect(Object.values(capabilities)).not.toContain(true);
  });

  it.each<[Isa, number | undefined, boolean, boolean]>([
    ['avx2', undefined, true, true],
    ['avx512', 3, true, true],
    ['vnni', undefined, false, true],
    ['vnni', 3, false, false],
    ['amx', 2, false, true],
  ])('are those of the machine: %s, oneDNN %s', (isa, onednnMajor, unsignedSources, unsignedTransposedSources) => {
    const machine = { name: 'onednn', isa, threads: 1, ...(onednnMajor && { onednnMajor }) } as const;
    expect(resolveTarget(machine).capabilities).toEqual({
      executes: true,
      sourceZeroPoint: true,
      unsignedSources,
      unsignedTransposedSources,
      copies: isa === 'avx512' ? 'few' : 'never',
    });
  });
});

it.each([['other'], [{ name: 'other', isa: 'vnni', threads: 1 }]])('%j is not a target', async (target) => {
  const names = targetNames.join(', ');
  expect(() => legalize(relu(), { target: target as never })).toThrow(`one of: ${names}`);
  await expect(compile(relu(), { target: { ...(target as object) } as never, backend: 'reference' })).rejects.toThrow(
    /U4002/,
  );
});
