/** Fixes the seed of all draws by fast-check, except the draws of the kit. Deep runs draw anew for every property. */
import fc from 'fast-check';
import { defaultSeed, isDeep } from '../../src/testing/draws.ts';

if (!isDeep) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: defaultSeed() });
