import {createBundle, inspectBundle, loadVerificationKey, makeBundleImages} from '../../api/bundle/index.ts';
import {makeStick} from '../../api/medium/index.ts';

const description = 'gripper_1.0.0.yaml';
await createBundle({description, files: ['EULA.txt'], key: 'key.pem', outputFolder: '.'});
const key = await loadVerificationKey('public.pem', 'key');
const {problems} = await inspectBundle('gripper_1.0.0.bundle', key);
if (problems.length === 0) {
  await makeBundleImages({file: 'gripper_1.0.0.bundle', origin: {kind: 'registry'}});
  await makeStick({target: 'stick.img', bundles: ['gripper_1.0.0.bundle'], bundleKey: key});
}
