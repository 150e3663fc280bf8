/** Pickles of PyTorch, read without executing anything. */
export { type ScalarType, scalarTypeOfCode, scalarTypeOfName, scalarTypes } from './scalar_type.ts';
export { type Storage, type TensorQuantization, TorchTensor } from './tensor.ts';
export { type TorchPickleOptions, unpickleTorch } from './torch_globals.ts';
export { type PickleDict, PickleGlobal, PickleObject, type PickleValue, type Unread, unpickle } from './unpickle.ts';
