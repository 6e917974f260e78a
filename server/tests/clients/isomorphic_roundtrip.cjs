// Clones with isomorphic-git, releases the next version, pushes, and prints the new commit's id.
//
// usage: isomorphic_roundtrip.cjs URL FOLDER USER TOKEN VERSION   (NODE_PATH leads to isomorphic-git)
const fs = require('node:fs')
const path = require('node:path')
const git = require('isomorphic-git')
const http = require('isomorphic-git/http/node')

async function main() {
  const [url, dir, username, token, version] = process.argv.slice(2)
  const remote = { fs, http, dir, url, onAuth: () => ({ username, password: token }), onAuthFailure: () => ({ cancel: true }) }
  await git.clone({ ...remote, ref: 'main' })

  const file = path.join(dir, '.claude-plugin/plugin.json')
  const manifest = JSON.parse(fs.readFileSync(file, 'utf8'))
  manifest.version = version
  fs.writeFileSync(file, JSON.stringify(manifest, null, 2) + '\n')
  fs.mkdirSync(path.join(dir, 'tools'), { recursive: true })
  fs.writeFileSync(path.join(dir, 'tools/isomorphic.sh'), '#!/bin/sh\necho isomorphic\n', { mode: 0o755 })

  await git.add({ fs, dir, filepath: '.claude-plugin/plugin.json' })
  await git.add({ fs, dir, filepath: 'tools/isomorphic.sh' })
  const oid = await git.commit({ fs, dir, message: 'release by isomorphic-git', author: { name: 'Ana', email: 'ana@example.org' } })
  const result = await git.push({ ...remote, ref: 'main' })
  if (!result.ok) throw new Error(JSON.stringify(result))
  console.log(oid)
}

main().catch((error) => {
  console.error(error.data?.response ?? '', error)
  process.exit(1)
})
