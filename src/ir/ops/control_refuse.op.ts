import { fail } from '../../diagnostics/index.ts';
import { attr, defineOp } from '../define_op.ts';
import { everyType, resultTypes } from './control.ts';

/** A branch that is an error to take. */
export const controlRefuse = defineOp({
  name: 'control.refuse',
  doc: 'Ends the run with an error, for a `reason`: the place of a branch that does not fit the sizes of the model. `results` are the types that the branch would have.',
  operands: {},
  attrs: { reason: attr.string(), results: attr.types() },
  results: { y: everyType },
  infer: (_types, { results }, refuse) => resultTypes(results, refuse),
  evaluate: (_tensors, { reason }) => fail('U2005', reason),
});
