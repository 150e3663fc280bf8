/** The command line as a function: arguments and streams in, an exit code out. */
import { readFileSync } from 'node:fs';
import { closest } from '../diagnostics/index.ts';
import { packageFolder } from '../runtime/index.ts';
import { parseLine } from './args.ts';
import { type AnyCommand, commonOptions, exitCodes } from './command.ts';
import { commands } from './command_table.ts';
import { commandHelp, generalHelp } from './help.ts';
import { toJson } from './json.ts';
import { reportError } from './report.ts';
import { type Streams, Terminal } from './terminal.ts';
import { UsageError } from './usage_error.ts';

export interface CliOptions {
  /** The commands to choose from: all commands of unskew, unless a test brings its own. */
  readonly commands?: readonly AnyCommand[];
  /** Folder for reports of internal errors; `reproducers` otherwise, where passes write theirs. */
  readonly reports?: string;
  /** Rejects with an error that no command awaits. */
  readonly unawaited?: Promise<never>;
}

export async function cli(args: readonly string[], streams: Streams, options: CliOptions = {}): Promise<number> {
  const { commands: known = commands, reports = 'reproducers', unawaited } = options;
  const version = packageVersion();
  const asked = (name: 'json' | 'verbose' | 'quiet') =>
    args.includes(`--${name}`) ||
    (name !== 'json' && args.some((a) => /^-[a-z]+$/.test(a) && a.includes(commonOptions[name].short!)));
  const terminal = new Terminal(streams, { verbose: asked('verbose'), quiet: asked('quiet') });
  try {
    const [name, ...rest] = args;
    if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
      const wanted = rest.find((word) => !word.startsWith('-'));
      terminal.print(wanted === undefined ? generalHelp(known, version) : commandHelp(find(wanted, known)));
      return name === undefined ? exitCodes.usage : exitCodes.done;
    }
    if (name === '--version') {
      terminal.print(version);
      return exitCodes.done;
    }
    const code = runCommand(find(name, known), rest, terminal);
    return await (unawaited ? Promise.race([code, unawaited]) : code);
  } catch (error) {
    return reportError(error, terminal, { args, version, json: asked('json'), reports });
  } finally {
    terminal.clearProgress();
  }
}

async function runCommand(command: AnyCommand, args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, common } = parseLine(command, args);
  if (common.help) {
    terminal.print(commandHelp(command));
    return exitCodes.done;
  }
  const work = await command.load();
  const result = await work.run(values, terminal);
  if (common.json) terminal.write(toJson(withTold(result, terminal)));
  else {
    const text = work.format(result, terminal);
    if (text !== undefined && !common.quiet) terminal.print(text);
  }
  return work.failed?.(result) ? exitCodes.failedCheck : exitCodes.done;
}

/** Adds the notes about the model to the result of the command. */
const withTold = (result: unknown, { told }: Terminal): unknown =>
  typeof result === 'object' && result !== null && !Array.isArray(result) ? { ...told, ...result } : result;

function find(name: string, known: readonly AnyCommand[]): AnyCommand {
  const found = known.find((command) => command.name === name);
  if (found !== undefined) return found;
  const names = known.map((command) => command.name);
  const near = closest(name, names);
  const what = name.startsWith('-') ? `the first word should be a command, not ${name}` : `'${name}' is not a command`;
  throw new UsageError(
    `${what}${near === undefined ? '' : `; did you mean '${near}'?`}`,
    `the commands are: ${names.join(', ')}`,
  );
}

function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(`${packageFolder}package.json`, 'utf8'));
  return version;
}
