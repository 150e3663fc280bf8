/** Archives of PyTorch, of either kind. */
import { fail, type Location } from '../../diagnostics/index.ts';
import { zipLooksLike } from '../../formats/other/index.ts';
import { isZip, openArchive } from '../../formats/torch/index.ts';
import { defineImporter } from '../kit/importer.ts';
import { torchProfiles } from './operators/engine.ts';
import { importExport, isExport } from './program/index.ts';
import { importTorchScript } from './script/import.ts';

export const torchImporter = defineImporter({
  kind: 'torch',
  files: 'PyTorch archives',
  profiles: torchProfiles,
  takesShapes: true,
  recognizes: isZip,
  async import(bytes, { file, ...options }) {
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
  },
});
