/** ISO 3166-1 alpha-2 codes of the countries by the names that shops' exports use. */
const CODES: Readonly<Record<string, string>> = {
  Australia: 'AU', Austria: 'AT', Bahrain: 'BH', Belgium: 'BE', Bermuda: 'BM', Brazil: 'BR', Bulgaria: 'BG', Canada: 'CA', China: 'CN', Croatia: 'HR',
  Cyprus: 'CY', 'Czech Republic': 'CZ', Czechia: 'CZ', Denmark: 'DK', EIRE: 'IE', Estonia: 'EE', Finland: 'FI', France: 'FR', Germany: 'DE', Greece: 'GR',
  'Hong Kong': 'HK', Hungary: 'HU', Iceland: 'IS', India: 'IN', Ireland: 'IE', Israel: 'IL', Italy: 'IT', Japan: 'JP', Korea: 'KR', Latvia: 'LV',
  Lebanon: 'LB', Liechtenstein: 'LI', Lithuania: 'LT', Luxembourg: 'LU', Malta: 'MT', Mexico: 'MX', Netherlands: 'NL', 'New Zealand': 'NZ', Nigeria: 'NG',
  Norway: 'NO', Poland: 'PL', Portugal: 'PT', RSA: 'ZA', Romania: 'RO', 'Saudi Arabia': 'SA', Singapore: 'SG', Slovakia: 'SK', Slovenia: 'SI',
  'South Africa': 'ZA', Spain: 'ES', Sweden: 'SE', Switzerland: 'CH', Thailand: 'TH', Turkey: 'TR', UK: 'GB', 'United Arab Emirates': 'AE',
  'United Kingdom': 'GB', 'United States': 'US', USA: 'US',
};

/** undefined for what is no single country (Channel Islands, European Community, Unspecified) or is not known. */
export const countryCode = (name: string): string | undefined => (Object.hasOwn(CODES, name.trim()) ? CODES[name.trim()] : undefined);
