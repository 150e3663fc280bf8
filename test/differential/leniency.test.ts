/**
 * Files that depart from the standard. ONNX Runtime decides which of them are accepted, and their result. Each one that
 * is read carries a warning, in the words of the snapshot.
 */
import { describe, expect, it } from 'vitest';
import { createPeer, type Feeds } from '../../src/cli/onnxruntime.ts';
import { legalize } from '../../src/codegen/legalize.ts';
import { type Diagnostic, formatDiagnostic, UnskewError } from '../../src/diagnostics/index.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { type ITensor, interpret, tensor } from '../../src/ir/index.ts';
import { toPublic } from '../../src/tensors/tensor.ts';
import { lenientLayers, lenientModels } from '../support/lenient_models.ts';

/** Files that ONNX Runtime computes and unskew refuses, and why. */
const refusedHere: Readonly<Record<string, string>> = {
  'ai.onnx imported as 13 and 17': 'ambiguous',
  'ai.onnx imported as 17 and 13': 'ambiguous',
  'ai.onnx by both names, 13 and 17': 'ambiguous',
  'an initializer twice, other elements': 'ambiguous',
  'elements in raw_data and in float_data': 'ambiguous',
  'an input without a shape': 'sizes have to be given with inputShapes',
};
/** Files that ONNX Runtime refuses and unskew reads, and why. */
const readHere: Readonly<Record<string, string>> = {
  'com.microsoft imported as 2': 'a version that is newer than what is known is read with a warning',
  'ai.onnx version 27': 'a version that this ONNX Runtime does not know yet',
  'ai.onnx version 28': 'a version that is newer than what is known is read with a warning',
  'ai.onnx version 29': 'a version that is newer than what is known is read with a warning',
  'ai.onnx version 1000': 'a version that is newer than what is known is read with a warning',
  'IR version 14': 'a version that is newer than what is known is read with a warning',
  'IR version 99': 'a version that is newer than what is known is read with a warning',
  'a graph without nodes': 'there is nothing to compute',
  'no outputs': 'there is nothing to compute',
  'all nodes of one name': 'names of nodes mean nothing',
  'an initializer that is an input of another shape': 'read with a warning',
  'an output of an undefined element type': 'the type follows from the operator',
  'an output that is a sequence': 'the type follows from the operator',
  'a node without outputs': 'it computes nothing',
  'a node whose output is empty': 'it computes nothing',
  'an attribute of an older version': 'consumed_inputs says nothing of the result',
  'an attribute without a type': 'files of IR version 1 have none',
  'an attribute without a type, IR version 1': 'files of IR version 1 have none',
  'an unused initializer of an unknown element type': 'carried',
};

const given = {
  x: tensor('f32', [1, -2, 3, 0.3], [1, 4]),
  v: tensor('f32', [1, -2, 3], [3]),
  q: tensor('u8', [1, 200, 3, 4, 50, 6], [2, 3]),
};
type Outputs = Readonly<Record<string, { readonly dims: readonly number[]; readonly data: readonly number[] }>>;
const plain = (tensors: Readonly<Record<string, { dims: readonly number[]; data: unknown }>>): Outputs =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, { dims, data }]) => [
      name,
      { dims: [...dims], data: Array.from(data as ArrayLike<number>) },
    ]),
  );

/** The outputs of ONNX Runtime; undefined when it refuses the file. */
async function inRuntime(
  bytes: Uint8Array,
  others: Partial<Record<string, ITensor>> = {},
): Promise<Outputs | undefined> {
  try {
    const peer = await createPeer(bytes, { threads: 1, graphOptimizationLevel: 'disabled' });
    const feeds = Object.fromEntries(
      peer.inputNames.map((name) => [name, toPublic(others[name] ?? given[name as keyof typeof given])]),
    );
    const outputs = await peer.run(feeds as unknown as Feeds);
    await peer.dispose();
    return plain(outputs as never);
  } catch {
    return undefined;
  }
}

function inUnskew(bytes: Uint8Array): { readonly outputs?: Outputs; readonly said: readonly Diagnostic[] } {
  try {
    const graph = importOnnx(bytes, { file: 'm.onnx' });
    const outputs = interpret(graph, Object.fromEntries(graph.inputs.map((name) => [name, given[name as 'x']])));
    const shown = Object.entries(outputs).map(([name, t]) => [name, toPublic(t)] as const);
    return { outputs: plain(Object.fromEntries(shown) as never), said: graph.origin?.notes ?? [] };
  } catch (error) {
    if (!(error instanceof UnskewError)) throw error;
    return { said: error.diagnostics };
  }
}

describe.each(Object.keys(lenientModels))('%s', (name) => {
  it('is accepted, with the same result, where ONNX Runtime accepts it', async () => {
    const bytes = lenientModels[name]();
    const expected = await inRuntime(bytes);
    const { outputs, said } = inUnskew(bytes);
    if (name in refusedHere) {
      expect(expected).toBeDefined();
      expect(outputs).toBeUndefined();
    } else if (name in readHere) {
      expect(expected).toBeUndefined();
      expect(outputs).toBeDefined();
    } else expect(outputs).toEqual(expected);
    for (const { location } of said) expect(location.file ?? location.input).toBeDefined();
  });
});

describe.each(Object.keys(lenientLayers))('a layer beside: %s', (name) => {
  it('is corrected, and ONNX Runtime loads the written file', async () => {
    const bytes = lenientLayers[name]();
    const graph = importOnnx(bytes, { file: 'm.onnx' });
    expect(Buffer.compare(exportOnnx(graph), bytes)).toBe(0);
    const { graph: after, remaining, certificate } = legalize(graph, { target: 'symmetric' });
    expect(remaining).toEqual([]);
    expect(certificate.notes?.map(({ code }) => code)).toContain('U2010');
    const x = { x: tensor('f32', [1, -2, 3, 0.3, 8, 2], [2, 3]) };
    const expected = await inRuntime(bytes, x);
    expect(expected).toBeDefined();
    expect(await inRuntime(exportOnnx(after), x)).toEqual(expected);
  });
});

it('every departure from the standard that is read is a warning', () => {
  const said = Object.entries(lenientModels).flatMap(([name, make]) => {
    const { outputs, said: all } = inUnskew(make());
    return outputs === undefined ? [] : all.map((one) => `${name}: ${formatDiagnostic(one).replaceAll('\n', '')}`);
  });
  expect(said).toMatchInlineSnapshot(`
    [
      "com.microsoft not imported: warning[U2010]: the model uses operators of com.microsoft and does not import them: version 1 is taken  at m.onnx › QuantizeLinear_q (QuantizeLinear)",
      "ai.onnx not imported, used: warning[U2010]: the model uses operators of ai.onnx and does not import them: version 27 is taken  at m.onnx › Add_a (Add)",
      "a domain that nobody uses, as 1 and 2: warning[U2010]: operator set 'acme' is imported as 1 and as 2; nobody uses it  at m.onnx",
      "com.microsoft imported as 2: warning[U2010]: version 2 of com.microsoft is newer than 1, the newest that is known: its operators are read as those of 1  at m.onnx",
      "ai.onnx version 28: warning[U2010]: version 28 of ai.onnx is newer than 27, the newest that is known: its operators are read as those of 27  at m.onnx",
      "ai.onnx version 29: warning[U2010]: version 29 of ai.onnx is newer than 27, the newest that is known: its operators are read as those of 27  at m.onnx",
      "ai.onnx version 1000: warning[U2010]: version 1000 of ai.onnx is newer than 27, the newest that is known: its operators are read as those of 27  at m.onnx",
      "IR version 0: warning[U2010]: the model says no IR version, or 0  at m.onnx",
      "IR version 14: warning[U2010]: the model has the IR version 14, and is read as one of version 13  at m.onnx",
      "IR version 99: warning[U2010]: the model has the IR version 99, and is read as one of version 13  at m.onnx",
      "IR version -1: warning[U2010]: the model says no IR version, or -1  at m.onnx",
      "an initializer twice, the same: warning[U2010]: initializer 'w' is given twice, with the same elements  at m.onnx › w",
      "an initializer that nobody uses, twice: warning[U2010]: initializer 'v' is given twice; nobody uses it  at m.onnx › v",
      "an initializer without a name: warning[U2010]: an initializer without a name is passed over  at m.onnx",
      "an output twice: warning[U2010]: graph output 'y' is given twice  at m.onnx › y",
      "an initializer that is an input of another shape: warning[U2010]: 'w' is declared with shape [1,4], and is f32[4]  at m.onnx › w",
      "an output of another size: warning[U2010]: 'y' is declared with shape [2,4], and is f32[1,4]  at m.onnx › Relu_y (Relu)",
      "an output of another rank: warning[U2010]: 'y' is declared with shape [4], and is f32[1,4]  at m.onnx › Relu_y (Relu)",
      "an output of rank 0: warning[U2010]: 'y' is declared with shape [], and is f32[1,4]  at m.onnx › Relu_y (Relu)",
      "elements in raw_data and in float_data, the same: warning[U2010]: tensor 'w' has its elements in raw_data and in floatData  at m.onnx › w",
      "elements in float_data and in int32_data: warning[U2010]: tensor 'w' is float32[4] and has int32Data besides, which is passed over  at m.onnx › w",
      "one element of no elements: warning[U2010]: tensor 'v' is float32[0], without elements, and has 1 in floatData, which are passed over  at m.onnx › v",
      "a byte in int32_data that is too large: warning[U2010]: tensor 'z' holds 259, which is not a uint8: its lowest bits are taken  at m.onnx › z",
      "a segment: warning[U2010]: tensor 'w' says that it is a part of one; it is read as the whole  at m.onnx › w",
      "a function of the name of an operator: warning[U2010]: a function of the model has the name of an operator, Relu: the operator is taken  at m.onnx › Relu_y (Relu)",
    ]
  `);
});
