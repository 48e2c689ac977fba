import { thousands } from '../format.js';
import type { StoreTable } from '../program/memory.js';

const DAYS = 365.25;

/** How fast sectors wear. */
export interface Wear {
  readonly savesPerDay: number;
  /** How often each sector is erased per day. */
  readonly erasesPerDay: number;
  /** Years until a sector was erased as often as it may be; null where the flash is only modelled. */
  readonly years: number | null;
}

/** The wear of a store at a rate of saves. Sectors are filled in turn, so each one is erased once in as many saves as there are records. */
export function wearOf({ records, times }: StoreTable, savesPerDay: number): Wear {
  const erasesPerDay = savesPerDay / records;
  return { savesPerDay, erasesPerDay, years: times && times.cycles / erasesPerDay / DAYS };
}

/** Three significant digits. */
function rounded(value: number): string {
  return value >= 100 ? thousands(Math.round(value)) : String(Number(value.toPrecision(3)));
}

function seconds([likely, most]: readonly [number, number]): string {
  return `${rounded(likely)} s, at most ${rounded(most)} s`;
}

/** What is kept over a reset, how long a save takes, and how long the flash lasts. */
export function storeLines(store: StoreTable, target: string, savesPerDay: number): string[] {
  const { sectors, sectorBytes, recordBytes, records, times } = store;
  const { erasesPerDay, years } = wearOf(store, savesPerDay);
  const lasts = years === null ? '' : `, ${thousands(times?.cycles ?? 0)} times in ${rounded(years)} years`;
  return [
    `store of ${target}: ${sectors} sectors of ${thousands(sectorBytes)} B, ${thousands(records)} saved states of ${thousands(recordBytes)} B`,
    ...(times
      ? [
          `  a save takes ${seconds(times.save)}; one of ${thousands(records / sectors)} also erases a sector, ${seconds(times.erase)}`,
          `  (${times.source})`,
        ]
      : []),
    `  with ${rounded(savesPerDay)} saves a day each sector is erased ${rounded(erasesPerDay)} times a day${lasts}`,
  ];
}
