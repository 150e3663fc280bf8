/** Emits operators with named operands, whose element types are known at run time only. */
import {
  type AnyOp,
  type AnyOperands,
  type AnyResults,
  type AttrArguments,
  type AttrSpecs,
  type GivenAttrs,
  type GivenOperands,
  type OpDeclaration,
  type OperandSpecs,
  type OpName,
  operandList,
  type ResultSpecs,
  type Value,
} from '../../ir/index.ts';

export abstract class TypedEmitter {
  /** The operator on its operands in declared order, null for an absent one; its results in declared order. */
  abstract emitList(op: AnyOp, operands: readonly (Value | null)[], attrs: GivenAttrs): readonly Value[];

  /** Emits one operator and returns its result, or its results by name when there are several. */
  emit<O extends OperandSpecs, A extends AttrSpecs, R extends ResultSpecs>(
    op: OpDeclaration<O, A, R, OpName>,
    operands: AnyOperands<O> & GivenOperands,
    ...[attrs]: Record<never, never> extends AttrArguments<A>
      ? [attrs?: AttrArguments<A> & GivenAttrs]
      : [attrs: AttrArguments<A> & GivenAttrs]
  ): AnyResults<R> {
    const list = operandList(op, operands);
    const results = this.emitList(op, list, attrs ?? {});
    const names = Object.keys(op.results);
    return (
      names.length === 1 ? results[0] : Object.fromEntries(names.map((name, i) => [name, results[i]]))
    ) as AnyResults<R>;
  }
}
