/** ONNX Runtime (CPU) as the other contender of a benchmark. */
export { createPeer, type Feeds, type Peer, type PeerOptions } from '../../src/cli/onnxruntime.ts';
