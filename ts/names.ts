/** Names in a folder that are not content: the lock of the process at work, and what it has written and not yet put in its place. */
export const lockFile = '.tinytrain.lock';
export const newFolder = '.tinytrain.new';
export const commitFile = 'commit.json';

/** The file that is there while a folder is neither the old one nor the new one: until it is gone, nothing may be built from the folder. */
export const pendingFile: string = `${newFolder}/${commitFile}`;

/** Whether a name in a folder belongs to the writing of it and not to its content. */
export function isBookkeeping(name: string): boolean {
  return name === lockFile || name === newFolder;
}
