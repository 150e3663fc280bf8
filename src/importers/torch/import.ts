/** Archives of PyTorch, of either kind. */
import { fail, type Location } from '../../diagnostics/index.ts';
import { zipLooksLike } from '../../formats/other/index.ts';
import { openArchive } from '../../formats/torch/index.ts';
import type { Graph } from '../../ir/index.ts';
import type { ImportSource } from '../kit/importer.ts';
import type { TorchProfile } from './operators/engine.ts';
import { importExport, isExport } from './program/index.ts';
import { importTorchScript } from './script/import.ts';

/** @throws UnskewError U1002 for an archive of another kind, else as `importTorchScript` and `importExport` */
export async function importTorch(
  bytes: Uint8Array,
  { file, ...options }: ImportSource & { readonly profile?: TorchProfile },
): Promise<Graph> {
  const where: Location = file === undefined ? {} : { file };
  const archive = await openArchive(bytes, file);
  const { names } = archive;
  if (isExport(archive)) {
    // a program says itself how it computes and what shapes it takes
    const { profile, state } = options;
    if (profile !== undefined)
      fail('U4002', `a program of torch.export has no profile, but '${profile}' is given`, where);
    return importExport(archive, state);
  }
  if (archive.has('data.pkl') && names.some((name) => name.startsWith('code/')))
    return importTorchScript(archive, options);
  if (archive.has('model.json'))
    fail(
      'U1002',
      'the archive was written by PyTorch before 1.4, which is not supported',
      where,
      'load it in PyTorch and save it again',
    );
  const { what, hint } = zipLooksLike(names);
  return fail('U1002', `this is not a program of PyTorch: it is ${what}`, where, hint);
}
