import {deployImage, ImageReader, verifyResources, verifySignature} from '../../api/ota/index.ts';

await using image = await ImageReader.open('https://example.com/main.zip');
await verifySignature(image, {caFolder: './ca'});
const {isSound} = await verifyResources(image);
if (isSound) await deployImage(image, {ecuId: 'main', rootfsDir: './rootfs'});
