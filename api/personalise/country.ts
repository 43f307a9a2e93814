import {PipelineError} from '../errors.ts';

/** ISO 3166-1 alpha-2, as officially assigned. */
const codes: ReadonlySet<string> = new Set(
  `AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
   CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR
   GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP
   KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT
   MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW
   SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG
   UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW`
    .trim()
    .split(/\s+/),
);

/** What people write for it. */
const mistakes: Readonly<Record<string, string>> = {UK: 'GB', EN: 'GB', USA: 'US', JA: 'JP', EL: 'GR'};

/** Whether it is the code of a country, in capital letters. */
export function isCountryCode(text: string): boolean {
  return codes.has(text);
}

/**
 * The code of a country in capital letters.
 *
 * @throws PipelineError `USAGE`
 */
export function checkCountry(text: string): string {
  const code = text.trim().toUpperCase();
  if (codes.has(code)) return code;
  const meant = mistakes[code];
  throw new PipelineError('USAGE', `the country (--country) "${text}" is not known`, {
    hint:
      meant === undefined
        ? 'Give the two letters of ISO 3166-1, such as DE, FR, GB or US: the country in which the board is used.'
        : `The code is ${meant}.`,
  });
}
