import { parse, compile, Tensor, interpret } from '../src/index.ts';
const g = parse(`graph @m(%x: u8[N,2,1]) -> (%y) {
  %conv = qnn.conv(%x, @w) {strides=[1], pads=[0,0], dilations=[1], group=2} : s32[N,2,1]
  %a = nn.add(%conv, @c) : s32[N,2,1]
  %b = nn.add(%a, @d) : s32[N,2,2]
  %y = qnn.requantize(%b, 0.5:f32, 5:u8) {axis=1} : u8[N,2,2]
}
constants {
  @w : s8[2,1,1] = base64"AQI="
  @c : s32[2,1] = base64"AQAAAAIAAAA="
  @d : s32[1,1,2] = base64"AQAAAAIAAAA="
}`);
const m = await compile(g);
const x = new Tensor('uint8', Uint8Array.of(1, 2), [1, 2, 1]);
console.log((await m.run({ x })).y, (await interpret(g, { x })).y);
