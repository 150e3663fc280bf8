/** Whatever is wrong with an argument is said, and nothing wrong gets through to native code. */
import { describe, expect, it } from 'vitest';
import type { BufferRef, Command, Kernel, SessionSpec } from '../../src/codegen/onednn/binding.ts';
import { binding, constant } from './support.ts';

// biome-ignore lint/suspicious/noExplicitAny: wrong types are the point
type Any = any;

const u8 = binding.desc('u8', [1, 16, 8, 8], 'channels-last');
const convolution = {
  source: u8,
  weights: binding.desc('s8', [32, 16, 3, 3], 'any'),
  destination: binding.desc('u8', [1, 32, 8, 8], 'channels-last'),
  groups: 1,
  strides: [1, 1],
  dilations: [1, 1],
  padsBegin: [1, 1],
  padsEnd: [1, 1],
};
const input: BufferRef = { space: 'input', index: 0 };
const output: BufferRef = { space: 'output', index: 0 };
const table = constant(new Uint8Array(256));
const lut: Kernel = { name: 'lut', count: 64 };
const session = (command: Any, spec: Partial<SessionSpec> = {}) =>
  binding.session({ threads: 1, arenaBytes: 128, inputBytes: [64], outputBytes: [64], commands: [command], ...spec });
const command = (kernel: Any, args: Any): Command => ({ kind: 'kernel', kernel, arguments: args });
const depthwise: Any = {
  name: 'depthwise',
  sourceType: 'u8',
  weightsType: 's8',
  type: 'u8',
  batch: 1,
  channels: 4,
  multiplier: 1,
  input: [4, 4],
  output: [4, 4],
  kernel: [1, 1],
  strides: [1, 1],
  dilations: [1, 1],
  padsBegin: [0, 0],
  sourceZeroPoint: 0,
  zeroPoint: 0,
  low: 0,
  high: 255,
};
const copy: Any = {
  name: 'copy',
  elementBytes: 1,
  shape: [8, 8],
  sourceStrides: [8, 1],
  destinationStrides: [8, 1],
  sourceOffset: 0,
  destinationOffset: 0,
};

describe('wrong arguments', () => {
  const cases: [string, () => unknown, string | RegExp][] = [
    [
      'desc: type',
      () => binding.desc('f16' as Any, [1], 'any'),
      "desc: type must be one of 'u8', 's8', 's32', 'f32', received 'f16'",
    ],
    [
      'desc: no dims',
      () => binding.desc('u8', [], 'any'),
      'desc: dims must be an array of 1 to 12 integers, received []',
    ],
    [
      'desc: dims',
      () => binding.desc('u8', [1, 0], 'any'),
      'desc: dims[1] must be an integer from 1 to 2147483647, received 0',
    ],
    [
      'desc: fraction',
      () => binding.desc('u8', [1.5], 'any'),
      'desc: dims[0] must be an integer from 1 to 2147483647, received 1.5',
    ],
    ['desc: too large', () => binding.desc('u8', [2 ** 31 - 1, 2 ** 31 - 1], 'row-major'), /is too large/],
    [
      'desc: layout',
      () => binding.desc('u8', [1, 2], 'nhwc' as Any),
      /desc: layout must be 'any', 'channels-last', 'row-major' or an array of strides, received 'nhwc'/,
    ],
    [
      'desc: strides',
      () => binding.desc('u8', [2, 2], [2]),
      'desc: layout must be an array of 2 integers, received [2]',
    ],
    ['desc: negative strides', () => binding.desc('u8', [2, 2], [2, -1]), /layout\[1\] must be an integer from 1/],
    ['equals: other', () => u8.equals({} as Any), 'equals: other must be a MemoryDesc, received an object'],
    ['constructors', () => new (u8 as Any).constructor(), 'MemoryDesc has no public constructor'],
    ['methods of others', () => (u8.equals as Any).call(binding.memory(new Uint8Array(1)), u8), /Illegal invocation/],
    [
      'memory: bytes',
      () => binding.memory(new Float32Array(1) as Any),
      'memory: bytes must be a Uint8Array, received a typed array of 1 elements',
    ],
    [
      'pack: size',
      () => binding.pack(new Uint8Array(3), u8, u8, 1),
      'pack: bytes must be 1024 bytes, as source has, received a typed array of 3 elements',
    ],
    [
      'convolution: nothing',
      () => binding.convolution(undefined as Any, 1),
      'convolution: must be an object, received undefined',
    ],
    [
      'convolution: source',
      () => binding.convolution({ ...convolution, source: 3 as Any }, 1),
      'convolution: source must be a MemoryDesc, received 3',
    ],
    [
      'convolution: strides',
      () => binding.convolution({ ...convolution, strides: [0, 1] }, 1),
      'strides must be 2 integers of at least 1, received [0,1]',
    ],
    [
      'convolution: pads',
      () => binding.convolution({ ...convolution, padsEnd: [1] }, 1),
      'padsEnd must be 2 integers of at least 0, received [1]',
    ],
    [
      'convolution: threads',
      () => binding.convolution(convolution, 0),
      'convolution: threads must be an integer from 1 to 4096, received 0',
    ],
    [
      'convolution: shapes',
      () => binding.convolution({ ...convolution, padsEnd: [3, 1] }, 1),
      /^oneDNN refused a convolution of u8\[1,16,8,8\] acdb with s8\[32,16,3,3\] any/,
    ],
    [
      'convolution: scales',
      () => binding.convolution({ ...convolution, attributes: { scales: new Float32Array(3) } }, 1),
      'attributes.scales must have 1 or 32 elements, received 3',
    ],
    [
      'convolution: post-op',
      () => binding.convolution({ ...convolution, attributes: { postOps: [{ kind: 'sum' } as Any] } }, 1),
      "convolution: attributes.postOps[0].kind must be 'eltwise' or 'binary', received 'sum'",
    ],
    [
      'convolution: broadcast',
      () =>
        binding.convolution(
          {
            ...convolution,
            attributes: {
              postOps: [{ kind: 'binary', algorithm: 'mul', other: binding.desc('f32', [1, 31, 1, 1], 'row-major') }],
            },
          },
          1,
        ),
      'attributes.postOps[0].other of shape [1,31,1,1] does not broadcast to [1,32,8,8]',
    ],
    [
      'convolution: unimplemented',
      () => binding.convolution({ ...convolution, source: binding.desc('s32', [1, 16, 8, 8], 'channels-last') }, 1),
      /^oneDNN (refused|has no implementation of) a convolution of s32/,
    ],
    ['eltwise: algorithm', () => binding.eltwise('sine', 0, 0, u8, 1), /^eltwise: algorithm must be one of 'relu'/],
    ['softmax: axis', () => binding.softmax(4, binding.desc('f32', [1, 2], 'row-major'), 1), /axis is out of range/],
    [
      'reorder: gaps',
      () => binding.reorder(binding.desc('u8', [4, 4], 'row-major'), binding.desc('u8', [4, 4], [8, 1]), 1),
      /destination must have no gaps/,
    ],
    [
      'reorder: dims',
      () => binding.reorder(u8, binding.desc('u8', [1, 16, 8, 9], 'row-major'), 1),
      /must have the same dims/,
    ],
    ['session: nothing', () => binding.session(1 as Any), 'session: must be an object, received 1'],
    [
      'session: kind',
      () => session({ kind: 'jump' }),
      "session: commands[0].kind must be 'primitive' or 'kernel', received 'jump'",
    ],
    [
      'session: kernel',
      () => session(command({ name: 'fly' }, {})),
      /commands\[0\]\.kernel\.name must be one of 'depthwise'/,
    ],
    [
      'session: space',
      () => session(command(lut, { source: { space: 'disk' } })),
      /source.space must be one of 'arena', 'constant', 'input', 'output', received 'disk'/,
    ],
    [
      'session: missing argument',
      () => session(command(lut, { source: input, table })),
      "commands[0] (lut) lacks its argument 'destination'",
    ],
    [
      'session: unknown argument',
      () => session(command(lut, { source: input, table, destination: output, extra: input })),
      "commands[0] (lut) has no argument 'extra'; it has source, table, destination",
    ],
    [
      'session: short input',
      () => session(command({ ...lut, count: 65 }, { source: input, table, destination: output })),
      "argument 'source' needs 65 bytes and an input has 64 there",
    ],
    [
      'session: short arena',
      () => session(command(lut, { source: input, table, destination: { space: 'arena', offset: 65 } })),
      "argument 'destination' needs 64 bytes and the arena has 63 there",
    ],
    [
      'session: outside the arena',
      () => session(command(lut, { source: input, table, destination: { space: 'arena', offset: 129 } })),
      'starts outside the arena',
    ],
    [
      'session: short constant',
      () => session(command(lut, { source: input, table: constant(new Uint8Array(255)), destination: output })),
      "argument 'table' needs 256 bytes and a constant has 255 there",
    ],
    [
      'session: absent input',
      () => session(command(lut, { source: { space: 'input', index: 1 }, table, destination: output })),
      'names input 1, which is not there',
    ],
    [
      'session: written constant',
      () => session(command(lut, { source: input, table, destination: table })),
      'is written to and cannot lie in a constant',
    ],
    [
      'session: written input',
      () => session(command(lut, { source: input, table, destination: input })),
      'is written to and cannot lie in an input',
    ],
    [
      'session: overlap',
      () =>
        session(
          command(lut, { source: { space: 'arena', offset: 0 }, table, destination: { space: 'arena', offset: 8 } }),
        ),
      "argument 'destination' overlaps 'source'",
    ],
    [
      'session: alignment',
      () =>
        session(
          command(
            { name: 'dequantize', type: 'u8', outer: 1, channels: 1, inner: 8 },
            { source: input, scale: constant(new Uint8Array(4)), destination: { space: 'arena', offset: 2 } },
          ),
        ),
      'must start at a multiple of 4, not at 2',
    ],
    [
      'session: depthwise weights',
      () =>
        session(
          command(depthwise, {
            source: input,
            weights: { space: 'arena', offset: 0 },
            multiplier: constant(new Uint8Array(16)),
            destination: output,
          }),
        ),
      "argument 'weights' must be a constant",
    ],
    [
      'session: zero point',
      () => session(command({ ...depthwise, sourceZeroPoint: 256 }, {})),
      'sourceZeroPoint must be an integer from 0 to 255, received 256',
    ],
    [
      'session: limits',
      () => session(command({ ...depthwise, low: 9, high: 8 }, {})),
      'kernel.high must be an integer from 9 to 255, received 8',
    ],
    [
      'session: copy beyond',
      () => session(command({ ...copy, sourceOffset: 1 }, { source: input, destination: output })),
      "argument 'source' needs 65 bytes",
    ],
    [
      'session: copy before',
      () => session(command({ ...copy, sourceStrides: [-8, 1] }, { source: input, destination: output })),
      'negative strides reach before the start of a tensor',
    ],
    [
      'session: copy onto itself',
      () => session(command({ ...copy, destinationStrides: [4, 1] }, { source: input, destination: output })),
      'make elements of the destination overlap',
    ],
    [
      'session: copy overflow',
      () => session(command({ ...copy, sourceStrides: [2 ** 40, 2 ** 40] }, { source: input, destination: output })),
      /needs \d+ bytes/,
    ],
    [
      'session: huge shape',
      () => session(command({ ...copy, shape: [2 ** 40, 2 ** 40] }, { source: input, destination: output })),
      'is too large',
    ],
    [
      'session: a primitive of other threads',
      () => {
        const primitive = binding.eltwise('relu', 0, 0, binding.desc('u8', [64], 'row-major'), 1);
        return session(
          { kind: 'primitive', primitive, arguments: { source: input, destination: output } },
          { threads: 2 },
        );
      },
      /was created for 1 threads and the session has 2/,
    ],
    [
      'session: arena',
      () => session(command(lut, { source: input, table, destination: output }), { arenaBytes: 2 ** 47 }),
      'the system does not have the memory for a buffer of 140737488355328 bytes',
    ],
  ];
  it.each(cases)('%s', (_name, body, message) => {
    expect(body).toThrow(message);
  });

  it('of templates of sessions', () => {
    const spec = {
      threads: 1,
      arenaBytes: 64,
      inputBytes: [64],
      outputBytes: [64],
      commands: [
        command(lut, { source: input, table, destination: { space: 'arena', offset: 0 } }),
        command(lut, { source: { space: 'arena', offset: 0 }, table, destination: output }),
      ],
    };
    const template = binding.sessionTemplate(spec);
    expect([...template.numbers()]).toEqual([64, 64, 64, 64]);
    expect(template.matches(binding.sessionTemplate({ ...spec, arenaBytes: 9 }))).toBe(true);
    expect(template.matches(binding.sessionTemplate({ ...spec, outputBytes: [64, 64] }))).toBe(false);
    expect(template.matches(binding.sessionTemplate({ ...spec, commands: spec.commands.slice(1) }))).toBe(false);
    const sized = { numbers: Float64Array.of(8, 8, 8, 8), offsets: Float64Array.of(0, 0), arenaBytes: 8 };
    const [from, to] = [Uint8Array.from({ length: 8 }, (_, i) => i), new Uint8Array(8)];
    template.session(sized).runSync([from], [to]);
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => (i * 7 + 3) % 256);
    const twice = binding.sessionTemplate({
      ...spec,
      commands: spec.commands.map((one) => ({ ...one, arguments: { ...one.arguments, table: constant(bytes) } })),
    });
    expect(template.matches(twice)).toBe(false);
    expect(
      twice.matches(
        binding.sessionTemplate({
          ...spec,
          commands: spec.commands.map((one) => ({
            ...one,
            arguments: { ...one.arguments, table: constant(bytes.slice()) },
          })),
        }),
      ),
    ).toBe(true);
    twice.session(sized).runSync([from], [to]);
    expect([...to]).toEqual([...from].map((i) => bytes[bytes[i]]));
    const refused = (sizes: object, message: string) =>
      expect(() => template.session({ ...sized, ...sizes })).toThrow(message);
    refused({ numbers: Float64Array.of(8) }, 'session: sizes.numbers must be a Float64Array of 4 numbers');
    refused({ offsets: [0, 0] }, 'session: sizes.offsets must be a Float64Array of 2 numbers');
    refused({ arenaBytes: -1 }, 'session: sizes.arenaBytes must be an integer from 0');
    refused({ arenaBytes: 7 }, "argument 'destination' needs 8 bytes and the arena has 7 there");
    refused({ offsets: Float64Array.of(0, 0.5) }, 'offsets should be whole numbers from 0');
    refused({ numbers: Float64Array.of(Number.NaN, 8, 8, 8) }, 'bytes of inputs and outputs should be whole numbers');
    refused({ numbers: Float64Array.of(8, 8, -3, 8) }, 'sessionTemplate: commands[0].kernel.count must be an integer');
    const resized = twice.session(sized);
    for (const wrong of [
      { numbers: Float64Array.of(16, 16, 16, 16) },
      { arenaBytes: 7 },
      { offsets: Float64Array.of(0, -64) },
      { numbers: Float64Array.of(8, 8, 8, 9) },
    ]) {
      expect(() => twice.resize(resized, { ...sized, ...wrong })).toThrow();
      to.fill(0);
      resized.runSync([from], [to]);
      expect([...to]).toEqual([...from].map((i) => bytes[bytes[i]]));
    }
    const another = 'resize: the session was not made of this template';
    expect(() => template.resize(resized, sized)).toThrow(another);
    expect(() => twice.resize(session(command(lut, { source: input, table, destination: output })), sized)).toThrow(
      another,
    );
    expect(() => twice.resize({} as Any, sized)).toThrow('resize: session must be a NativeSession');
    expect(() => twice.resize(resized, {} as Any)).toThrow('resize: sizes.numbers must be a Float64Array');
    resized.dispose();
    expect(() => twice.resize(resized, sized)).toThrow('resize: the session was disposed');
    expect(() => template.matches({} as Any)).toThrow('matches: template must be a SessionTemplate');
  });

  it('of runs', async () => {
    const run = session(command(lut, { source: input, table, destination: output }));
    const [a, b] = [new Uint8Array(64), new Uint8Array(64)];
    for (const method of ['runSync', 'run', 'profile'] as const) {
      const call = (inputs: readonly Uint8Array[]) => () =>
        method === 'run' ? run.run(inputs) : run[method](inputs, [b]);
      expect(call([])).toThrow(`${method}: inputs must be an array of 1 Uint8Arrays, received []`);
      expect(call([a.subarray(1)])).toThrow(`${method}: inputs[0] must be a Uint8Array of 64 bytes`);
      if (method === 'run') {
        expect(() => run.run([a], 1 as Any)).toThrow('run: areUnchanging must be a boolean');
        continue; // makes its outputs
      }
      expect(() => run[method]([a], [new Int8Array(64) as Any])).toThrow(`${method}: outputs[0] must be a Uint8Array`);
      expect(() => run[method]([a], [a])).toThrow('outputs[0] shares memory with inputs[0]');
      expect(() => run[method]([a], undefined as Any)).toThrow(`${method}: outputs must be an array`);
    }
    const floats = session(
      command(
        { name: 'quantize', type: 'u8', outer: 1, channels: 1, inner: 16 },
        { source: input, scale: constant(new Uint8Array(4)), destination: output },
      ),
    );
    const pair = session(
      command(lut, { source: { space: 'input', index: 1 }, table, destination: { space: 'output', index: 1 } }),
      { inputBytes: [64, 64], outputBytes: [64, 64] },
    );
    const shared = new Uint8Array(200);
    const part = (at: number) => shared.subarray(at, at + 64);
    for (const method of ['runSync', 'profile'] as const) {
      const overlaps = (inputs: Uint8Array[], outputs: Uint8Array[]) => expect(() => pair[method](inputs, outputs));
      overlaps([a, b], [part(0), part(63)]).toThrow('outputs[1] shares memory with outputs[0]');
      overlaps([a, b], [part(63), part(0)]).toThrow('outputs[1] shares memory with outputs[0]');
      overlaps([a, part(10)], [part(64), part(136)]).toThrow('outputs[0] shares memory with inputs[1]');
      overlaps([part(64), part(0)], [part(136), part(63)]).toThrow(/outputs\[1\] shares memory with inputs\[[01]\]/);
      overlaps([part(0), part(0)], [part(64), part(128)]).not.toThrow();
      overlaps([part(0), part(10)], [part(80), new Uint8Array(64)]).not.toThrow();
    }
    const odd = new Uint8Array(65).subarray(1);
    expect(() => floats.runSync([odd], [b])).toThrow('inputs[0] must be at an address that is a multiple of 4');
    expect(await floats.run([odd])).toHaveLength(1); // reads a copy
  });
});
