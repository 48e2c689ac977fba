// Folders of users for `tinytrain personalise`: each has 10 drawn images of each of 5 classes.
//
//   node bench/users.mjs FOLDER USERS
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { defaultImages, loadModel } from '#tinytrain';

const CLASSES = 5;
const IMAGES = 10;

const [folder = 'users', users = '1000'] = process.argv.slice(2);
const { input } = await loadModel();
const { classes, train } = await defaultImages(input, { trainPerClass: 100, testPerClass: 1 });

/** The drawn images as PNG: the default input takes pixels as they are, 128 less. */
const { height, width, channels } = input;
const images = await Promise.all(
  Array.from(train.labels.keys(), async place => {
    const pixels = Buffer.from(train.sample(place)).map(value => (value + 128) & 255);
    return sharp(pixels, { raw: { width, height, channels } }).png({ compressionLevel: 1 }).toBuffer();
  }),
);
const places = classes.map((_, label) => [...train.labels.keys()].filter(place => train.labels[place] === label));

for (let user = 0; user < Number(users); user++) {
  for (let k = 0; k < CLASSES; k++) {
    const label = (user + 2 * k) % classes.length;
    const own = join(folder, `user-${String(user).padStart(4, '0')}`, classes[label]);
    mkdirSync(own, { recursive: true });
    for (let i = 0; i < IMAGES; i++) {
      const place = places[label][(7 * user + 3 * i) % places[label].length];
      writeFileSync(join(own, `${i}.png`), images[place]);
    }
  }
}
