// The grammar of names lies with the configuration, which has some, too.
export * from '../../configs/image-reference.ts';
