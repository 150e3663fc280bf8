/**
 * Operators of ATen that write to an operand although their names do not end in `_`: statistics, and the state of
 * observers.
 */
const names = new Set([
  '_native_batch_norm_legit',
  '_batch_norm_with_update',
  '_fused_moving_avg_obs_fq_helper',
  'fused_moving_avg_obs_fake_quant',
  'rrelu_with_noise',
  '_amp_update_scale',
  '_cummax_helper',
  '_cummin_helper',
]);

/** Advice for an archive that was written while its model was being trained. */
export const adviceOn = (name: string): string | undefined =>
  name.includes('moving_avg_obs')
    ? 'this is a model whose observers still watch: call torch.ao.quantization.convert(model.eval()) before it is saved'
    : undefined;

export const writesSilently = (library: string, name: string): boolean => library === 'aten' && names.has(name);

/** Libraries whose operators only compute; operators of other libraries may have any effect. */
const computing = new Set([
  ...['aten', 'prim', 'prims', 'quantized', 'quantized_decomposed', 'torchao', 'torchvision', 'onednn'],
  ...['_operator', 'math', 'torch', 'builtins'],
]);

/** True when an operator may have effects beside its results: it is refused when nobody reads them. */
export const doesMore = (library: string): boolean => !computing.has(library);
