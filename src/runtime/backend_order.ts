/** Orders of back ends, as users give them. */
import { fail } from '../diagnostics/index.ts';
import { allBackendNames, type BackendOrder, backendNames, usualBackend } from './backend_names.ts';
import { installedFile, onnxruntimeFile } from './onnxruntime/installed.ts';

/** ONNX Runtime where it is installed, unless a back end was named. */
export const usualOrder = (): BackendOrder =>
  onnxruntimeFile() === undefined ? [usualBackend] : [usualBackend, 'onnxruntime'];

/** @throws UnskewError U4002 for names that are none, twice, or in an order that does not work; U5001 where one is not installed */
export function checkedOrder(names: readonly string[]): BackendOrder {
  const [first, ...others] = names;
  const unknown = names.find((name) => !allBackendNames.some((known) => known === name));
  if (unknown !== undefined)
    fail('U4002', `'${unknown}' is not a backend`, {}, `one of: ${allBackendNames.join(', ')}`);
  if (first === undefined || first === 'onnxruntime')
    fail(
      'U4002',
      'the first backend is the one that models are compiled for',
      {},
      `one of: ${backendNames.join(', ')}`,
    );
  if (new Set(names).size < names.length || (first === 'reference' && others.includes('onednn')))
    fail(
      'U4002',
      `the backends ${names.join(', ')} are not an order`,
      {},
      'the interpreter computes everything, so that nothing is left for onednn behind it',
    );
  if (others.includes('onnxruntime')) installedFile();
  return names as BackendOrder;
}
