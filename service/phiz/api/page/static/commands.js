// The same requests for a terminal.

const PLAIN = /^[\w@%+=:,./-]+$/;

function quote(word) {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Return how curl names a file in a form, in which some characters end its name. */
function nameFile(name) {
  return /[;,"\\]/.test(name) ? `"${name.replaceAll(/["\\]/g, "\\$&")}"` : name;
}

export function buildCurl({ url, options, file, hasKey, output }) {
  const words = ["curl"];
  if (hasKey) words.push('-H "X-API-Key: $KEY"');
  words.push("-F", quote(`image=@${nameFile(file)}`));
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && value !== null) words.push("-F", quote(`${name}=${value}`));
  }
  if (output) words.push("-o", quote(output));
  return [...words, quote(url.href)].join(" ");
}
