import { TinytrainError } from '../../errors.js';
import type { InputFormat } from '../input.js';
import type { WorkOptions } from '../pool.js';
import type { SampleSource } from '../source.js';
import type { Table } from './rows.js';
import { Clipping, columnScales, Survey } from './scale.js';

/**
 * How the values of series become a model's input, found in the training recordings that `each` yields for that input. `check` throws for a recording from which
 * no sample of the input can be had.
 */
export function feeding(
  check: (path: string, table: Table, input: InputFormat) => void,
  each: (input: InputFormat, look: (table: Table, path: string) => void, how: WorkOptions) => Promise<void>,
): Required<Pick<SampleSource, 'ranges' | 'normalise'>> {
  const surveyed = async (input: InputFormat, how: WorkOptions): Promise<Survey> => {
    const survey = new Survey();
    await each(
      input,
      (table, path) => {
        check(path, table, input);
        survey.add(table);
      },
      how,
    );
    return survey;
  };
  return {
    ranges: async (input, how = {}) => (await surveyed(input, how)).ranges(),
    async normalise(input, quantisation, given, how = {}) {
      const survey = await surveyed(input, how);
      if (!given) return survey.found(quantisation);
      const scale = { ...given, units: survey.units() };
      const wrong = [given.mean, given.std].find(list => list.length !== 1 && list.length !== scale.units.length);
      if (wrong) {
        throw new TinytrainError(
          'INPUT_INVALID',
          `${wrong.length} numbers for the normalisation; the recordings have ${scale.units.length} columns`,
          { help: ['--mean and --std take one number for all columns, or one each'] },
        );
      }
      const clipping = new Clipping(columnScales(scale, quantisation));
      await each(input, table => clipping.add(table), how);
      clipping.check();
      return scale;
    },
  };
}
