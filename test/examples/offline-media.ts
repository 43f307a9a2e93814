import {LegacyImage, packBundle, verifyLegacyImage} from '../../api/ota/index.ts';

await using image = await LegacyImage.open('p1.tgz');
await verifyLegacyImage(image, {caFolder: './certs'});
await packBundle({images: [{ecuId: 'p1', location: 'p1.tgz', version: 'v2'}], output: 'bundle.tar'});
