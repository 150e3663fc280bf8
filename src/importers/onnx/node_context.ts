/** The context of the importer of one ONNX operator: operands by name, attributes, and a way to emit operators. */

import { assert, fail, UnskewError } from '../../diagnostics/index.ts';
import type { OnnxNode } from '../../formats/onnx/index.ts';
import {
  type AnyOp,
  type AttrType,
  type Elements,
  formatType,
  type GivenAttrs,
  isStatic,
  isWordOf,
  type Loc,
  nnCast,
  nnIdentity,
  qnnQuantize,
  type Value,
} from '../../ir/index.ts';
import {
  bfloat16ToNumber,
  halfToNumber,
  type OperatorWithRecipe,
  operatorRecipe,
  type RecipeOf,
} from '../../numerics/index.ts';
import type { DType } from '../../tensors/index.ts';
import { ImportEmitter } from '../kit/import_emitter.ts';
import type { Scope, Wide } from '../kit/scope.ts';
import { Unsupported } from '../kit/unsupported.ts';
import { Attributes } from './attributes.ts';
import type { ChannelBlocks } from './channel_blocks.ts';
import type { HalfIslands } from './half_islands.ts';
import { type OnnxProfile, onnxProfiles } from './profiles.ts';
import type { OnnxSignature } from './signature.ts';

interface NodeParts {
  readonly op: OnnxSignature;
  readonly node: OnnxNode;
  readonly operands: readonly (Value | undefined)[];
  readonly opset: number;
  readonly loc: Loc;
  readonly profile: OnnxProfile;
  readonly halves: HalfIslands;
  readonly blocks: ChannelBlocks;
}

export class NodeContext extends ImportEmitter<Scope> {
  readonly attr: Attributes;
  readonly opset: number;
  readonly profile: OnnxProfile;
  /** Channels in blocks, of files that ONNX Runtime saved. */
  readonly blocks: ChannelBlocks;
  readonly #node: OnnxNode;
  readonly #halves: HalfIslands;
  readonly #op: OnnxSignature;
  readonly #operands: readonly (Value | undefined)[];

  constructor(scope: Scope, { op, node, operands, opset, loc, profile, halves, blocks }: NodeParts) {
    super(scope, loc);
    this.#halves = halves;
    this.blocks = blocks;
    this.#node = node;
    this.#op = op;
    this.#operands = operands;
    this.opset = opset;
    this.profile = profile;
    this.attr = new Attributes(node, loc);
  }

  /** The recipe that the profile has for an operator. @throws UnskewError U4002 where it has none */
  recipe<O extends OperatorWithRecipe>(operator: O): RecipeOf<O> {
    const known = operatorRecipe(operator, this.profile);
    if (known) return known;
    const others = onnxProfiles.filter((profile) => operatorRecipe(operator, profile));
    return this.refuseProfile(`has no recipe for ${this.#op.name}`, `profiles that have one: ${others.join(', ')}`);
  }

  /** The model cannot be read under its profile. */
  refuseProfile(why: string, hint?: string): never {
    return fail('U4002', `the profile '${this.profile}' ${why}`, this.loc, hint);
  }

  /** The element type of x, as an element type of quantized numbers. */
  quantizedType({ type }: Value): AttrType<typeof qnnQuantize.attrs.dtype> {
    return isWordOf(qnnQuantize.attrs.dtype, type.dtype)
      ? type.dtype
      : this.unsupported(`quantization to ${type.dtype}`);
  }

  /** ONNX Runtime alone defines what an operator of its own domains takes: what our parts of one do not take is left to it. */
  override emitList(op: AnyOp, operands: readonly (Value | null)[], attrs: GivenAttrs): readonly Value[] {
    try {
      return super.emitList(op, operands, attrs);
    } catch (error) {
      if (this.#op.domain !== '' && error instanceof UnskewError && error.code.startsWith('U2'))
        throw new Unsupported(error.diagnostics[0].message);
      throw error;
    }
  }

  protected override staysWide(operands: readonly (Value | null)[]): readonly Wide['by'][] {
    if (this.profile !== 'ort') return [];
    const first = operands.find((x) => x?.type.dtype === 'f16' && this.#halves.isComputed(x.id));
    return this.#halves.staysWide(this.#node, first ? this.scope.wideOf(first.id)?.by : undefined);
  }

  /** Cast of the model. Between two of them a 16-bit float is rounded, beside an operator that computes in binary32 it is not. */
  castAs(x: Value, to: DType): Value {
    const wide = to === 'f32' ? this.wideOf(x, ['operator']) : undefined;
    if (wide || x.type.dtype === to) return this.emit(nnIdentity, { x: wide ?? x });
    const y = this.emit(nnCast, { x }, { to });
    const isHandedOn = this.profile === 'ort' && x.type.dtype === 'f32' && this.#halves.isHandedOn(this.#node);
    if (isHandedOn) this.knowWide(y, { by: 'cast', operands: [x] });
    return y;
  }

  // ---- operands

  /** An operand that the operator requires. */
  get(name: string): Value {
    const value = this.find(name);
    assert(value, `${this.#op.name} has no required input '${name}'`);
    return value;
  }

  /** An optional operand, undefined when absent. */
  find(name: string): Value | undefined {
    const index = this.#op.inputs.findIndex((input) => input.name === name);
    assert(index >= 0, `${this.#op.name} declares no input '${name}'`);
    return this.#operands[index];
  }

  /** The operand of the i-th input, undefined when absent. */
  operand(i: number): Value | undefined {
    return this.#operands[i];
  }

  /** The operands of the variadic input, which is the last. */
  rest(): readonly Value[] {
    return this.#operands.slice(this.#op.inputs.length - 1).map((value) => {
      if (value === undefined) throw new Unsupported('an operand of the list is absent');
      return value;
    });
  }

  /** True when the node's i-th output is used. */
  wants(output: number): boolean {
    return (this.#node.outputs[output] ?? '') !== '';
  }

  get outputCount(): number {
    return this.#node.outputs.length;
  }

  /** The symbol of a size that only the run knows. */
  openSymbol = (): string => this.scope.openSymbol();

  // ---- known elements

  /** Sizes or positions from an operand: numbers, or expressions in the sizes of the inputs. */
  sizes(value: Value, name: string): Elements {
    return this.elementsOf(value) ?? this.notKnown(value, name);
  }

  /** The same for an optional operand. */
  sizesOf(name: string): Elements | undefined {
    const value = this.find(name);
    return value && this.sizes(value, name);
  }

  /** The integers that an operand must be: refused when they depend on the input of the model. */
  integers(value: Value, name: string): readonly number[] {
    const elements = this.elementsOf(value);
    if (elements && isStatic(elements)) return elements;
    return this.notKnown(value, name);
  }

  /** @throws Unsupported for an operand that has to be known; it may be where the sizes of inputs are */
  notKnown(value: Value, name: string): never {
    const dependsOnSizes = this.scope.isOfSizes(value.id);
    throw new Unsupported(`'${name}' is computed while the model runs`, { dependsOnSizes });
  }

  /** The same for an optional operand. */
  integersOf(name: string): readonly number[] | undefined {
    const value = this.find(name);
    return value && this.integers(value, name);
  }

  /** The one element of an optional operand that must be a constant. */
  scalarOf(name: string): number | undefined {
    const value = this.find(name);
    return value && this.#scalarOf(value, name);
  }

  /** The same for an operand that the operator requires. */
  number(name: string): number {
    return this.#scalarOf(this.get(name), name);
  }

  #scalarOf(value: Value, name: string): number {
    const constant = this.constantOf(value);
    if (constant === undefined) return this.notKnown(value, name);
    if (constant.data.length !== 1)
      this.refuse(`'${name}' should have one element, but is ${formatType(value.type)}`, 'U2004', { input: name });
    const element = Number(constant.data[0]);
    if (constant.dtype === 'f16') return halfToNumber(element);
    return constant.dtype === 'bf16' ? bfloat16ToNumber(element) : element;
  }
}
