/** Pairs of graphs, each about one argument of the checker: the differing pairs must not be proved, the equal ones must be. */

export interface Pair {
  readonly inputs: string;
  readonly outputs?: string;
  readonly before: string;
  readonly after: string;
  readonly constants?: string;
  /** Elements of %x, or of all inputs; random ones where they are left out. */
  readonly x?: readonly number[] | Readonly<Record<string, readonly number[]>>;
}

const conv = (attrs = '') => `{strides=[1], pads=[0,0], dilations=[1]${attrs}}`;
const conv2 = '{strides=[1,1], pads=[0,0,0,0], dilations=[1,1]}';
const transposed = '{strides=[1], pads=[0,0], dilations=[1], outputPadding=[0], group=1}';
const wraps = (end: string) => `%a = nn.add(%x, 200:u8) : u8[4]
  %b = nn.cast(%a) {to="s32"} : s32[4]
  %y = qnn.requantize(%b, 1:f32, 0:u8) {axis=0${end}} : u8[4]`;
const tail = (name: string, scale: string, end: string) => `%c${name} = nn.cast(%x) {to="f32"} : f32[4]
  %m${name} = nn.mul(%c${name}, ${scale}:f32) : f32[4]
  %o${name} = nn.add(%m${name}, 1:f32) : f32[4]
  %y = qnn.requantize(%o${name}, ${end} : u8[4]`;
const twoSteps = '0.5:f32, 3:u8, 0.25:f32) {axis=0, arithmetic="f32-two-step"}';
const f32Ones = '@w : f32[1,1,2] = base64"AACAPwAAgD8="';

export const differing: Record<string, Pair> = {
  'a sum over columns in the place of one over rows': {
    inputs: '%x: s8[2,2]',
    before: `%a = nn.cast(%x) {to="s32"} : s32[2,2]
  %s = nn.reduce_sum(%a) {axes=[1]} : s32[2,1]
  %y = nn.sub(%a, %s) : s32[2,2]`,
    after: `%a = nn.cast(%x) {to="s32"} : s32[2,2]
  %s = nn.reduce_sum(%a) {axes=[0]} : s32[1,2]
  %y = nn.sub(%a, %s) : s32[2,2]`,
    x: [1, 2, 3, 4],
  },
  'a sum that takes one element too few': {
    inputs: '%x: s8[2,3]',
    before: `%a = nn.cast(%x) {to="s32"} : s32[2,3]
  %y = nn.reduce_sum(%a) {axes=[1]} : s32[2,1]`,
    after: '%y = nn.matmul(%x, @ones) : s32[2,1]',
    constants: '@ones : s8[3,1] = base64"AQEA"',
    x: [1, 2, 3, 4, 5, 6],
  },
  'an intermediate value of another shape': {
    inputs: '%x: s8[2,1,2]',
    before: `%c = nn.concat(%x, %x) {axis=1} : s8[2,2,2]
  %r = nn.reshape(%c) {shape=[8]} : s8[8]
  %y = nn.cast(%r) {to="s32"} : s32[8]`,
    after: `%c = nn.concat(%x, %x) {axis=0} : s8[4,1,2]
  %r = nn.reshape(%c) {shape=[8]} : s8[8]
  %y = nn.cast(%r) {to="s32"} : s32[8]`,
    x: [1, 2, 3, 4],
  },
  'an intermediate value of another element type': {
    inputs: '%x: s32[2]',
    before: `%q = qnn.requantize(%x, 1:f32, 0:u8) {axis=0} : u8[2]
  %y = nn.cast(%q) {to="s32"} : s32[2]`,
    after: `%q = qnn.requantize(%x, 1:f32, 0:s8) {axis=0} : s8[2]
  %y = nn.cast(%q) {to="s32"} : s32[2]`,
    x: [-5, 200],
  },
  'sizes at which nothing is left to compare': {
    inputs: '%x: s8[1,1,W]',
    outputs: '%y, %c',
    before: `%c = qnn.conv(%x, @w) {strides=[3], pads=[0,0], dilations=[1]} : s32[1,1,"((W-3)/3)+1"]
  %y = nn.add(%c, 1:s32) : s32[1,1,"((W-3)/3)+1"]`,
    after: `%c = qnn.conv(%x, @w) {strides=[3], pads=[0,0], dilations=[1]} : s32[1,1,"((W-3)/3)+1"]
  %y = nn.add(%c, 2:s32) : s32[1,1,"((W-3)/3)+1"]`,
    constants: '@w : s8[1,1,3] = base64"AQEB"',
    x: [1, 2, 3, 4, 5, 6],
  },
  'an element from the front or from the back': {
    inputs: '%x: s32[N]',
    before: '%g = nn.gather(%x, [1]:s64) {axis=0} : s32[1] %y = nn.add(%g, 1:s32) : s32[1]',
    after: '%g = nn.gather(%x, [-1]:s64) {axis=0} : s32[1] %y = nn.add(%g, 1:s32) : s32[1]',
    x: [1, 2, 3, 4],
  },
  'a rotation and a reversal of an axis of any size': {
    inputs: '%x: s32["N+1"]',
    before: `%g = nn.slice(%x) {starts=[0], ends=[-1], axes=[0], steps=[1]} : s32[N]
  %h = nn.slice(%x) {starts=[-1], ends=[2147483647], axes=[0], steps=[1]} : s32[1]
  %y = nn.concat(%h, %g) {axis=0} : s32["N+1"]`,
    after: '%y = nn.slice(%x) {starts=[-1], ends=[-2147483647], axes=[0], steps=[-1]} : s32["N+1"]',
    x: [1, 2, 3, 4],
  },
  'a square and its transpose': {
    inputs: '%x: s32[3,3]',
    before: '%y = nn.add(%x, 5:s32) : s32[3,3]',
    after: '%t = nn.transpose(%x) {perm=[1,0]} : s32[3,3] %y = nn.add(%t, 5:s32) : s32[3,3]',
    x: [1, 2, 3, 4, 5, 6, 7, 8, 9],
  },
  'a convolution of a transposed image': {
    inputs: '%x: s8[1,1,3,3]',
    before: `%y = qnn.conv(%x, @w, 3:s8) ${conv2} : s32[1,1,3,3]`,
    after: `%t = nn.transpose(%x) {perm=[0,1,3,2]} : s8[1,1,3,3]
  %y = qnn.conv(%t, @w, 3:s8) ${conv2} : s32[1,1,3,3]`,
    constants: '@w : s8[1,1,1,1] = base64"Ag=="',
    x: [1, 2, 3, 4, 5, 6, 7, 8, 9],
  },
  'a batch in the place of a row': {
    inputs: '%x: s8[2,1,2]',
    before: `%t = nn.transpose(%x) {perm=[2,1,0]} : s8[2,1,2] %y = qnn.conv(%t, @w, 3:s8) ${conv()} : s32[2,1,2]`,
    after: `%y = qnn.conv(%x, @w, 3:s8) ${conv()} : s32[2,1,2]`,
    constants: '@w : s8[1,1,1] = base64"Ag=="',
    x: [1, 2, 3, 4],
  },
  'a product and its transpose': {
    inputs: '%a: s8[3,3], %b: s8[3,3]',
    before: '%y = qnn.matmul(%a, %b) : s32[3,3]',
    after: `%s = nn.transpose(%a) {perm=[1,0]} : s8[3,3]
  %t = nn.transpose(%b) {perm=[1,0]} : s8[3,3]
  %y = qnn.matmul(%t, %s) : s32[3,3]`,
    x: { a: [1, 2, 3, 4, 5, 6, 7, 8, 9], b: [1, 0, 0, 0, 1, 0, 0, 0, 1] },
  },
  'a row in the place of all rows': {
    inputs: '%x: s32[3,3], %z: s32[3,3]',
    before: '%y = nn.add(%z, %x) : s32[3,3]',
    after: `%g = nn.gather(%x, [0]:s64) {axis=0} : s32[1,3]
  %r = nn.reshape(%g) {shape=[3]} : s32[3]
  %y = nn.add(%z, %r) : s32[3,3]`,
    x: { x: [1, 2, 3, 4, 5, 6, 7, 8, 9], z: Array(9).fill(0) },
  },
  'a product of one position, broadcast': {
    inputs: '%x: s8[1,1,3]',
    before: `%c = qnn.conv(%x, @w) ${conv()} : s32[1,1,2] %y = nn.add(%c, [1,1]:s32) : s32[1,1,2]`,
    after: `%d = qnn.conv(%x, @w) {strides=[2], pads=[0,0], dilations=[1]} : s32[1,1,1]
  %y = nn.add(%d, [1,1]:s32) : s32[1,1,2]`,
    constants: '@w : s8[1,1,2] = base64"AQE="',
    x: [1, 2, 3],
  },
  'sums along one axis or another': {
    inputs: '%x: s8[3,1,3], %z: s32[3,3,3]',
    before: `%c = qnn.conv(%x, @w) ${conv()} : s32[3,1,3] %y = nn.add(%z, %c) : s32[3,3,3]`,
    after: `%d = qnn.conv(%x, @w) ${conv()} : s32[3,1,3]
  %e = nn.reshape(%d) {shape=[3,3,1]} : s32[3,3,1]
  %y = nn.add(%z, %e) : s32[3,3,3]`,
    constants: '@w : s8[1,1,1] = base64"Ag=="',
    x: { x: [1, 2, 3, 4, 5, 6, 7, 8, 9], z: Array(27).fill(0) },
  },
  'channels that a reshape leaves in front, counted from the last': {
    inputs: '%x: s8[1,1,1], %z: s32[3,3,3]',
    before: `%c = qnn.conv(%x, @w) ${conv()} : s32[1,3,1]
  %e = nn.reshape(%c) {shape=[1,3]} : s32[1,3]
  %y = nn.add(%z, %e) : s32[3,3,3]`,
    after: `%d = qnn.conv(%x, @v) ${conv()} : s32[1,3,1]
  %f = nn.reshape(%d) {shape=[1,3]} : s32[1,3]
  %y = nn.add(%z, %f) : s32[3,3,3]`,
    constants: '@w : s8[3,1,1] = base64"AQIB" @v : s8[3,1,1] = base64"AQIC"',
    x: { x: [1], z: Array(27).fill(0) },
  },
  'columns that two reshapes move': {
    inputs: '%x: s8[1,1,1]',
    before: `%c = qnn.conv(%x, @w) ${conv()} : s32[1,3,1] %e = nn.reshape(%c) {shape=[1,3]} : s32[1,3]
  %y = nn.reshape(%e) {shape=[1,1,3]} : s32[1,1,3]`,
    after: `%d = qnn.conv(%x, @v) ${conv()} : s32[1,3,1] %f = nn.reshape(%d) {shape=[1,3]} : s32[1,3]
  %y = nn.reshape(%f) {shape=[1,1,3]} : s32[1,1,3]`,
    constants: '@w : s8[3,1,1] = base64"AQIB" @v : s8[3,1,1] = base64"AQIC"',
    x: [1],
  },
  'sums reshaped to other axes': {
    inputs: '%x: s8[4,2,2], %z: s32[2,2,4]',
    before: `%c = qnn.conv(%x, @w) ${conv()} : s32[4,2,2]
  %e = nn.reshape(%c) {shape=[2,2,4]} : s32[2,2,4]
  %y = nn.add(%z, %e) : s32[2,2,4]`,
    after: `%d = qnn.conv(%x, @v) ${conv()} : s32[4,2,2]
  %f = nn.reshape(%d) {shape=[2,2,4]} : s32[2,2,4]
  %y = nn.add(%z, %f) : s32[2,2,4]`,
    constants: '@w : s8[2,2,1] = base64"AQIBAg==" @v : s8[2,2,1] = base64"AQICAQ=="',
    x: { x: Array.from({ length: 16 }, (_, i) => i), z: Array(16).fill(0) },
  },
  'a row or a column': {
    inputs: '%z: s32[3,3], %r: s32[3]',
    before: '%c = nn.reshape(%r) {shape=[3,1]} : s32[3,1] %y = nn.add(%z, %c) : s32[3,3]',
    after: '%d = nn.reshape(%r) {shape=[1,3]} : s32[1,3] %y = nn.add(%z, %d) : s32[3,3]',
    x: { z: [0, 0, 0, 0, 0, 0, 0, 0, 0], r: [1, 2, 3] },
  },
  'a row or a column, expanded': {
    inputs: '%x: s32[1,3]',
    before: '%e = nn.expand(%x) {shape=[3,3]} : s32[3,3] %y = nn.add(%e, 1:s32) : s32[3,3]',
    after: `%t = nn.transpose(%x) {perm=[1,0]} : s32[3,1]
  %f = nn.expand(%t) {shape=[3,3]} : s32[3,3]
  %y = nn.add(%f, 1:s32) : s32[3,3]`,
    x: [1, 2, 3],
  },
  'u8 that wraps, taken for an integer': {
    inputs: '%x: u8[4]',
    before: wraps(', low=200'),
    after: wraps(', low=100'),
    x: [200, 1, 100, 0],
  },
  'u8 that wraps below': {
    inputs: '%x: u8[4]',
    before: wraps('').replace('add', 'sub'),
    after: wraps(', high=55').replace('add', 'sub'),
    x: [0, 1, 100, 199],
  },
  'float additions in another order': {
    inputs: '%x: f32[2]',
    before: '%a = nn.add(%x, 16777216:f32) : f32[2] %y = nn.sub(%a, 16777216:f32) : f32[2]',
    after: '%y = nn.sub(%x, 0:f32) : f32[2]',
    x: [0.25, 1],
  },
  '2^32 added to a float': {
    inputs: '%x: f32[1]',
    before: '%y = nn.add(%x, 4294967296:f32) : f32[1]',
    after: '%y = nn.sub(%x, 0:f32) : f32[1]',
    x: [1],
  },
  '2^32 added to an s64': {
    inputs: '%x: s64[1]',
    before: '%y = nn.add(%x, 4294967296:s64) : s64[1]',
    after: '%y = nn.sub(%x, 0:s64) : s64[1]',
    x: [1],
  },
  'a float rounded to an integer and back': {
    inputs: '%x: f32[1]',
    before: '%a = nn.cast(%x) {to="s32"} : s32[1] %y = nn.cast(%a) {to="f32"} : f32[1]',
    after: '%y = nn.sub(%x, 0:f32) : f32[1]',
    x: [0.5],
  },
  'an s32 through f32': {
    inputs: '%x: s32[1]',
    before: '%a = nn.cast(%x) {to="f32"} : f32[1] %y = nn.cast(%a) {to="s32"} : s32[1]',
    after: '%y = nn.add(%x, 0:s32) : s32[1]',
    x: [16777217],
  },
  'a bias beyond 2^24 in a float convolution': {
    inputs: '%x: s8[1,1,2]',
    before: `%f = nn.cast(%x) {to="f32"} : f32[1,1,2]
  %c = nn.conv(%f, @w) ${conv()} : f32[1,1,1]
  %s = nn.cast(%c) {to="s32"} : s32[1,1,1]
  %y = nn.add(%s, 100000000:s32) : s32[1,1,1]`,
    after: `%f = nn.cast(%x) {to="f32"} : f32[1,1,2]
  %d = nn.conv(%f, @w, [100000000]:f32) ${conv()} : f32[1,1,1]
  %y = nn.cast(%d) {to="s32"} : s32[1,1,1]`,
    constants: f32Ones,
    x: [1, 2],
  },
  'an addition beyond 2^24 behind a float convolution': {
    inputs: '%x: s8[1,1,2]',
    before: `%f = nn.cast(%x) {to="f32"} : f32[1,1,2]
  %c = nn.conv(%f, @w) ${conv()} : f32[1,1,1]
  %s = nn.cast(%c) {to="s32"} : s32[1,1,1]
  %y = nn.add(%s, 100000000:s32) : s32[1,1,1]`,
    after: `%f = nn.cast(%x) {to="f32"} : f32[1,1,2]
  %c = nn.conv(%f, @w) ${conv()} : f32[1,1,1]
  %d = nn.add(%c, 100000000:f32) : f32[1,1,1]
  %y = nn.cast(%d) {to="s32"} : s32[1,1,1]`,
    constants: f32Ones,
    x: [1, 2],
  },
  'a float convolution that was there before': {
    inputs: '%x: s32[1,1,2]',
    before: `%f = nn.cast(%x) {to="f32"} : f32[1,1,2]
  %c = nn.conv(%f, @w) ${conv()} : f32[1,1,1]
  %y = nn.cast(%c) {to="s32"} : s32[1,1,1]`,
    after: `%y = nn.conv(%x, @v) ${conv()} : s32[1,1,1]`,
    constants: `${f32Ones} @v : s8[1,1,2] = base64"AQE="`,
    x: [16777217, 0],
  },
  'a convolution and a transposed one of the same weights': {
    inputs: '%x: s8[1,2,3]',
    before: `%y = qnn.conv(%x, @w) ${conv()} : s32[1,2,3]`,
    after: `%y = qnn.conv_transpose(%x, @w) ${transposed} : s32[1,2,3]`,
    constants: '@w : s8[2,2,1] = base64"AQIDBA=="',
    x: [1, 2, 3, 4, 5, 6],
  },
  'zero points of filters, taken off by columns': {
    inputs: '%x: s8[1,2,3]',
    outputs: '%u, %y',
    before: `%u = qnn.conv(%x, @w, _, @z) ${conv()} : s32[1,2,3]
  %y = qnn.conv_transpose(%x, @w, _, @z) ${transposed} : s32[1,2,3]`,
    after: `%u = qnn.conv(%x, @v) ${conv()} : s32[1,2,3]
  %y = qnn.conv_transpose(%x, @v) ${transposed} : s32[1,2,3]`,
    constants: '@w : s8[2,2,1] = base64"AQIDBA==" @z : s8[2] = base64"AQI=" @v : s8[2,2,1] = base64"AAEBAg=="',
    x: [1, 2, 3, 4, 5, 6],
  },
  'zero points by batch and by column': {
    inputs: '%a: s8[2,1,1]',
    before: '%y = qnn.matmul(%a, @b, _, @z) : s32[2,1,2]',
    after: '%y = qnn.matmul(%a, @b, _, @c) : s32[2,1,2]',
    constants: '@b : s8[2,1,2] = base64"AQIDBA==" @z : s8[2,1,1] = base64"AQI=" @c : s8[2] = base64"AQI="',
    x: { a: [1, 2] },
  },
  'a pad of no elements with a value': {
    inputs: '%x: s8[1,1,3]',
    before: `%p = nn.pad(%x, 5:s8) {pads=[0,0,0,0,0,0]} : s8[1,1,3] %y = qnn.conv(%p, @w) ${conv()} : s32[1,1,2]`,
    after: `%c = qnn.conv(%x, @w) ${conv()} : s32[1,1,2] %y = nn.add(%c, 10:s32) : s32[1,1,2]`,
    constants: '@w : s8[1,1,2] = base64"AQE="',
    x: [1, 2, 3],
  },
  'the axis of multipliers': {
    inputs: '%x: s32[1,2,2]',
    before: '%y = qnn.requantize(%x, [0.5,0.25]:f32, 0:u8) {axis=1} : u8[1,2,2]',
    after: '%y = qnn.requantize(%x, [0.5,0.25]:f32, 0:u8) {axis=2} : u8[1,2,2]',
    x: [100, 100, 100, 100],
  },
  'the axis of multipliers of other recipes': {
    inputs: '%x: s32[1,2,2]',
    before: '%y = qnn.requantize(%x, [0.5,0.25]:f32, 0:u8) {axis=1} : u8[1,2,2]',
    after: '%y = qnn.requantize(%x, [0.5,0.25]:f64, 0:u8) {axis=2, arithmetic="f64"} : u8[1,2,2]',
    x: [100, 100, 100, 100],
  },
  'a negative multiplier': {
    inputs: '%x: s32[4]',
    before: '%y = qnn.requantize(%x, -1:f32, 0:u8) {axis=0, low=0, high=10} : u8[4]',
    after: '%y = qnn.requantize(%x, 0:f32, 10:u8) {axis=0, low=0, high=10} : u8[4]',
    x: [1, 2, 3, 4],
  },
  'two negative multipliers': {
    inputs: '%x: s32[4]',
    before: '%y = qnn.requantize(%x, -1:f32, 0:u8) {axis=0} : u8[4]',
    after: '%y = qnn.requantize(%x, -2:f32, 0:u8) {axis=0} : u8[4]',
    x: [-1, -2, -3, -4],
  },
  'a negative mantissa': {
    inputs: '%x: s32[4]',
    before:
      '%y = qnn.requantize(%x, -1073741824:s32, 0:u8, 0:s32) {axis=0, low=0, high=10, arithmetic="fixed"} : u8[4]',
    after: '%y = qnn.requantize(%x, 0:s32, 10:u8, 0:s32) {axis=0, low=0, high=10, arithmetic="fixed"} : u8[4]',
    x: [100, 200, 300, -5],
  },
  'a negative scale in front of a multiplier': {
    inputs: '%x: s32[4]',
    before: tail('1', '-0.5', '1:f32, 0:u8) {axis=0, low=0, high=10}'),
    after: tail('2', '0.5', '0:f32, 10:u8) {axis=0, low=0, high=10}'),
    x: [100, 200, 300, -5],
  },
  'a scale in front of two factors': {
    inputs: '%x: s32[4]',
    before: tail('1', '0.5', twoSteps),
    after: tail('2', '0.25', twoSteps),
    x: [100, 200, 300, -5],
  },
  'a factor that is 0 in the prime field': {
    inputs: '%x: s32[2]',
    before: '%y = nn.mul(%x, 2147483647:s32) : s32[2]',
    after: '%y = nn.sub(%x, %x) : s32[2]',
    x: [1, 2],
  },
  'weights that are 0 in the prime field': {
    inputs: '%x: s32[1,1,2]',
    before: `%y = nn.conv(%x, @w) ${conv()} : s32[1,1,2]`,
    after: `%y = nn.conv(%x, @v) ${conv()} : s32[1,1,2]`,
    constants: '@w : s32[1,1,1] = base64"////fw==" @v : s32[1,1,1] = base64"AAAAAA=="',
    x: [1, 2],
  },
  'a constant that could be a label': {
    inputs: '%x: s8[1]',
    before: '%y = nn.pad(%x, -1:s8) {pads=[1,0]} : s8[2]',
    after: '%y = nn.concat(%x, %x) {axis=0} : s8[2]',
    x: [5],
  },
  's64 constants beyond 2^53': {
    inputs: '%x: s64[1]',
    before: '%y = nn.concat(%x, [9007199254740993]:s64) {axis=0} : s64[2]',
    after: '%y = nn.concat(%x, [9007199254740992]:s64) {axis=0} : s64[2]',
    x: [5],
  },
  'a zero and its negative': {
    inputs: '%x: f32[1]',
    before: '%y = nn.pad(%x) {pads=[1,0]} : f32[2]',
    after: '%y = nn.concat([-0]:f32, %x) {axis=0} : f32[2]',
    x: [5],
  },
  'a constant and a byte that can be it': {
    inputs: '%x: s8[1]',
    before: '%y = nn.cast([-128]:s8) {to="s32"} : s32[1]',
    after: '%y = nn.cast(%x) {to="s32"} : s32[1]',
    x: [5],
  },
  'infinities in attributes': {
    inputs: '%x: f32[1]',
    before: '%y = nn.clip(%x) {min=-1, max=inf} : f32[1]',
    after: '%y = nn.clip(%x) {min=-1, max=-inf} : f32[1]',
    x: [5],
  },
  'one of the 64-bit integers that are added': {
    inputs: '%x: s8[2,2]',
    before: `%m = qnn.matmul(%x, @w) : s32[2,2] %c = nn.cast(%m) {to="s64"} : s64[2,2]
  %y = nn.add(%c, @k) : s64[2,2]`,
    after: `%n = qnn.matmul(%x, @w) : s32[2,2] %d = nn.cast(%n) {to="s64"} : s64[2,2]
  %y = nn.add(@j, %d) : s64[2,2]`,
    constants: `@w : s8[2,2] = base64"AQIDBA==" @k : s64[2,2] = base64"AQAAAAAAAAACAAAAAAAAAAMAAAAAAAAABQAAAAAAAAA="
  @j : s64[2,2] = base64"AQAAAAAAAAACAAAAAAAAAAMAAAAAAAAABgAAAAAAAAA="`,
    x: [1, 2, 3, 4],
  },
};

/** Equal pairs that a careful checker must still prove. */
export const equal: Record<string, Pair> = {
  '64-bit integers, added from the left and from the right': {
    inputs: '%x: s8[2,2]',
    before: `%m = qnn.matmul(%x, @w) : s32[2,2] %c = nn.cast(%m) {to="s64"} : s64[2,2]
  %y = nn.add(%c, @k) : s64[2,2]`,
    after: `%n = qnn.matmul(%x, @w) : s32[2,2] %d = nn.cast(%n) {to="s64"} : s64[2,2]
  %y = nn.add(@k, %d) : s64[2,2]`,
    constants: `@w : s8[2,2] = base64"AQIDBA==" @k : s64[2,2] = base64"AQAAAAAAAAACAAAAAAAAAAMAAAAAAAAABQAAAAAAAAA="
  @j : s64[2,2] = base64"AQAAAAAAAAACAAAAAAAAAAMAAAAAAAAABgAAAAAAAAA="`,
  },
  'a sum over rows and a product with ones': {
    inputs: '%x: s8[2,3]',
    before: `%a = nn.cast(%x) {to="s32"} : s32[2,3]
  %y = nn.reduce_sum(%a) {axes=[-1]} : s32[2,1]`,
    after: '%y = nn.matmul(%x, @ones) : s32[2,1]',
    constants: '@ones : s8[3,1] = base64"AQEB"',
  },
  'zero points by batch': {
    inputs: '%a: s8[2,1,1]',
    before: '%y = qnn.matmul(%a, @b, _, @z) : s32[2,1,2]',
    after: '%y = qnn.matmul(%a, @c) : s32[2,1,2]',
    constants: '@b : s8[2,1,2] = base64"AQIDBA==" @z : s8[2,1,1] = base64"AQI=" @c : s8[2,1,2] = base64"AAEBAg=="',
  },
  'zero points by batch, fewer than columns': {
    inputs: '%a: s8[2,1,1]',
    before: '%y = qnn.matmul(%a, @b, _, @z) : s32[2,1,3]',
    after: '%y = qnn.matmul(%a, @c) : s32[2,1,3]',
    constants: '@b : s8[2,1,3] = base64"AQIDBAUG" @z : s8[2,1,1] = base64"AQI=" @c : s8[2,1,3] = base64"AAECAgME"',
  },
  'weights of a convolution and of a transposed one, each less its zero points': {
    inputs: '%x: s8[1,2,3]',
    outputs: '%u, %y',
    before: `%u = qnn.conv(%x, @w, _, @z) ${conv()} : s32[1,2,3]
  %y = qnn.conv_transpose(%x, @w, _, @z) ${transposed} : s32[1,2,3]`,
    after: `%u = qnn.conv(%x, @v) ${conv()} : s32[1,2,3]
  %y = qnn.conv_transpose(%x, @r) ${transposed} : s32[1,2,3]`,
    constants:
      '@w : s8[2,2,1] = base64"AQIDBA==" @z : s8[2] = base64"AQI=" @v : s8[2,2,1] = base64"AAEBAg==" @r : s8[2,2,1] = base64"AAACAg=="',
  },
  'a pad of no elements': {
    inputs: '%x: s8[1,1,3]',
    before: `%p = nn.pad(%x, 5:s8) {pads=[0,0,0,0,0,0]} : s8[1,1,3] %y = qnn.conv(%p, @w, 5:s8) ${conv()} : s32[1,1,2]`,
    after: `%c = qnn.conv(%x, @w) ${conv()} : s32[1,1,2] %y = nn.sub(%c, 10:s32) : s32[1,1,2]`,
    constants: '@w : s8[1,1,2] = base64"AQE="',
  },
  'one negative multiplier': {
    inputs: '%x: s32[4]',
    before: '%a = nn.add(%x, 3:s32) : s32[4] %y = qnn.requantize(%a, -1:f32, 0:s8) {axis=0} : s8[4]',
    after:
      '%n = nn.neg(%x) : s32[4] %b = nn.sub(3:s32, %n) : s32[4] %y = qnn.requantize(%b, -1:f32, 0:s8) {axis=0} : s8[4]',
  },
  'axes of a square moved there and back': {
    inputs: '%x: s32[3,3]',
    before: '%y = nn.add(%x, 5:s32) : s32[3,3]',
    after: `%t = nn.transpose(%x) {perm=[1,0]} : s32[3,3]
  %a = nn.add(%t, 5:s32) : s32[3,3]
  %y = nn.transpose(%a) {perm=[1,0]} : s32[3,3]`,
  },
  'an integer carried by floats': {
    inputs: '%x: u8[1,1,4]',
    before: `%y = qnn.conv(%x, @w, 7:u8) ${conv()} : s32[1,1,3]`,
    after: `%f = nn.cast(%x) {to="f32"} : f32[1,1,4]
  %c = nn.sub(%f, 7:f32) : f32[1,1,4]
  %d = nn.conv(%c, @v) ${conv()} : f32[1,1,3]
  %y = nn.cast(%d) {to="s32"} : s32[1,1,3]`,
    constants: '@w : s8[1,1,2] = base64"AQE=" @v : f32[1,1,2] = base64"AACAPwAAgD8="',
  },
};
