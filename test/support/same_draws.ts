/** What `npm test` draws by fast-check alone, the kit aside, is the same every time too; deep runs draw anew for every property. */
import fc from 'fast-check';
import { defaultSeed, isDeep } from '../../src/testing/draws.ts';

if (!isDeep) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: defaultSeed() });
