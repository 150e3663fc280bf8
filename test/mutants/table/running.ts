/** Plans, sessions, arguments, and the addon. */
import type { Mutant } from '../mutant.ts';

const native = (name: string, file: string, text: string, instead: string, test: string, only?: string): Mutant => ({
  name,
  file: `native/${file}`,
  text,
  instead,
  tests: [`test/native/${test}.test.ts`],
  ...(only !== undefined && { only }),
});

const planned = ['test/unit/codegen/memory_plan.test.ts'];
const models = ['test/lifecycle/shapes.test.ts', 'test/lifecycle/concurrent_runs.test.ts'];

export const running: readonly Mutant[] = [
  {
    name: 'buffers may share bytes when one begins as the other ends',
    file: 'src/codegen/onednn/memory_plan.ts',
    text: 'firstNotBelow(times, last + 1) - 1',
    instead: 'firstNotBelow(times, last) - 1',
    tests: planned,
  },
  {
    name: 'buffers are not aligned',
    file: 'src/codegen/onednn/memory_plan.ts',
    text: 'Math.ceil(bytes / ALIGNMENT) * ALIGNMENT',
    instead: 'bytes',
    tests: planned,
  },
  {
    name: 'a gap between two buffers is taken whatever its size',
    file: 'src/codegen/onednn/occupancy.ts',
    text: 'starts[i] < at + size; i++) at = ends[i];',
    instead: 'starts[i] <= at; i++) at = ends[i];',
    tests: planned,
  },
  {
    name: 'what a later segment reads is not kept',
    file: 'src/codegen/partition.ts',
    text: '(lastRead.get(id) ?? 0) > index',
    instead: 'lastRead.get(id) === parts.length',
    tests: ['test/unit/codegen/plan.test.ts', 'test/unit/codegen/plan_laws.test.ts'],
  },
  {
    name: 'the session used last goes first',
    file: 'src/runtime/compile.ts',
    text: '      this.#executables.delete(key);\n      this.#executables.set(key, known);\n',
    instead: '',
    tests: models,
  },
  {
    name: 'sessions that went are not disposed of',
    file: 'src/runtime/compile.ts',
    text: '      this.#executables.delete(key);\n      executable.dispose();\n',
    instead: '      this.#executables.delete(key);\n',
    tests: models,
  },
  {
    name: 'sessions in use go as well',
    file: 'src/runtime/compile.ts',
    text: 'if (executable.running > 0) continue;',
    instead: '',
    tests: models,
  },
  {
    name: 'a disposed model runs',
    file: 'src/runtime/compile.ts',
    text: "if (this.#disposed) fail('U4002', 'the model has been disposed of');",
    instead: '',
    tests: models,
  },
  {
    name: 'dims may hold another number of elements than there are',
    file: 'src/runtime/feeds.ts',
    text: 'if (sizeOf(dims) !== data.length)',
    instead: 'if (sizeOf(dims) > data.length)',
    tests: ['test/unit/runtime/feeds.test.ts'],
  },
  {
    name: 'feeds are read while the run waits',
    file: 'src/runtime/executable.ts',
    text: 'values.keep(this.#readAfter(at));',
    instead: '',
    tests: ['test/properties/ownership.test.ts'],
  },
  {
    name: 'unknown options are passed over',
    file: 'src/diagnostics/options.ts',
    text: 'if (Object.hasOwn(names, name)) continue;',
    instead: 'if (name !== "") continue;',
    tests: ['test/unit/options.test.ts'],
  },
  {
    name: 'two sizes are taken for one symbol',
    file: 'src/runtime/bind_shapes.ts',
    text: "typeof dim === 'string' ? (bindings.get(dim) ?? sizes[axis]) : dim",
    instead: "typeof dim === 'string' ? sizes[axis] : dim",
    tests: ['test/unit/runtime/sizes_of_feeds.test.ts'],
  },
  native(
    'runSync overtakes runs that wait',
    'session_core.cc',
    'return jobs_.empty() && !busy_; }',
    'return !busy_; }',
    'session',
  ),
  native(
    'buffers may be shorter than what is read',
    'session.cc',
    'if (array.ByteLength() != static_cast<size_t>(bytes[i])) {',
    'if (array.ByteLength() > static_cast<size_t>(bytes[i])) {',
    'arguments',
  ),
  native(
    'outputs may share memory with inputs',
    'session.cc',
    'if (before != nullptr && range.begin < before->end) {',
    'if (before != nullptr && range.begin == before->begin) {',
    'arguments',
  ),
  native(
    'fractions are taken for integers',
    'arguments.cc',
    'std::trunc(value) == value && value >=',
    'value >=',
    'arguments',
  ),
  native(
    'halves are rounded away from zero in kernels',
    'kernels/rounding.h',
    'return static_cast<int32_t>(std::rint(value));',
    'return static_cast<int32_t>(std::round(value));',
    'kernels',
    'requantize',
  ),
  {
    name: 'a barrier lets the first pass',
    file: 'native/team.cc',
    text: 'if (arrived_.fetch_add(1) + 1 == count) {',
    instead: 'if (arrived_.fetch_add(1) + 1 >= 1) {',
    tests: ['test/native/openmp.test.ts'],
    isProgram: true,
  },
];
