import { extname } from 'node:path';

/** What the files of a folder hold. */
export interface SampleKind {
  /** The word for one of them, and for several. */
  readonly one: string;
  readonly many: string;
  /** Whether a file is a sample, something that often lies beside samples (and is passed over), or neither. */
  readonly role: (name: string) => 'sample' | 'beside';
  /** Whether a file that lies where class folders are expected is itself a class, named after it: a recording of one class. */
  readonly filesAreClasses: boolean;
}

/** Extensions of files that often lie beside samples. */
const sidecars = ['.txt', '.md', '.json', '.csv', '.tsv', '.xml', '.yaml', '.yml', '.html', '.db', '.ini'];
/** Extensions of series of numbers. `.csv` may lie beside other samples too. */
const series = ['.npy', '.csv', '.wav'];

/** The extension of a file, in small letters. */
export function extensionOf(name: string): string {
  return extname(name).toLowerCase();
}

/** Names of lists of files and labels. */
export const labelsFile = 'labels.csv';

/** Images: any file that is not known to lie beside them. */
export const images: SampleKind = {
  one: 'image',
  many: 'images',
  role: name => (sidecars.includes(extensionOf(name)) ? 'beside' : 'sample'),
  filesAreClasses: false,
};

/** Series of numbers. */
export const recordings: SampleKind = {
  one: 'recording',
  many: 'recordings',
  role: name => {
    const extension = extensionOf(name);
    const beside = name === labelsFile || (sidecars.includes(extension) && extension !== '.csv');
    return beside ? 'beside' : 'sample';
  },
  filesAreClasses: true,
};

/** Whether a file can only be a series, may be one, or is none. */
export function seriesLike(name: string): 'is' | 'may be' | 'no' {
  const extension = extensionOf(name);
  if (!series.includes(extension) || name === labelsFile) return 'no';
  return extension === '.csv' ? 'may be' : 'is';
}
