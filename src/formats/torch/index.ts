/** Archives of PyTorch and the pickles in them: bytes and records, without a meaning. */
export { type Archive, isZip, openArchive } from './archive/index.ts';
export {
  PickleObject,
  type PickleValue,
  type ScalarType,
  type Storage,
  scalarTypeOfCode,
  scalarTypes,
  type TensorQuantization,
  TorchTensor,
  type Unread,
  unpickleTorch,
} from './pickle/index.ts';
