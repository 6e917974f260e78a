//! Embeds `../templates` into the binary: pages, parts and icons as templates; `static/` as bytes under names that hold a
//! digest of their content, so that browsers may keep them for ever. Embeds `../registry-template` too: what a new tenant
//! begins with, and the starter plugins.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    minijinja_embed::embed_templates!("../templates", &[".html", ".svg"]);
    embed_static(Path::new("../templates/static"));
    embed_registry_template(Path::new("../registry-template"));
}

fn embed_static(folder: &Path) {
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("templates/static is part of the source")
        .map(|entry| entry.expect("the folder can be listed").path())
        .collect();
    paths.sort();
    let mut out = String::from("&[\n");
    for path in paths {
        println!("cargo:rerun-if-changed={}", path.display());
        let bytes = fs::read(&path).expect("a static file can be read");
        let name = path.file_name().and_then(|name| name.to_str()).expect("static files have plain names");
        let (stem, ending) = name.split_once('.').expect("static files have an ending");
        let content_type = match ending {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            other => panic!("say in build.rs what a .{other} file is"),
        };
        let hashed = format!("{stem}.{:016x}.{ending}", fnv1a(&bytes));
        let source = fs::canonicalize(&path).expect("the file is there");
        writeln!(
            out,
            "    StaticFile {{ name: {name:?}, hashed: {hashed:?}, content_type: {content_type:?}, bytes: include_bytes!({source:?}) }},"
        )
        .expect("a string takes it");
    }
    out.push_str("]\n");
    let target = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where")).join("static_files.rs");
    fs::write(target, out).expect("the build folder can be written");
}

/// 64-bit FNV-1a: tells versions of one file apart, nothing more is asked of it.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Writes a table of all files with path, executable bit and bytes, sorted by path.
fn embed_registry_template(folder: &Path) {
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut paths = Vec::new();
    walk(folder, &mut paths);
    paths.sort();
    let mut out = String::from("static FILES: &[Embedded] = &[\n");
    for path in paths {
        println!("cargo:rerun-if-changed={}", path.display());
        let executable = fs::metadata(&path).expect("the file is there").permissions().mode() & 0o100 != 0;
        let name = path.strip_prefix(folder).expect("below it").to_str().expect("our names are text");
        let source = fs::canonicalize(&path).expect("the file is there");
        writeln!(
            out,
            "    Embedded {{ path: {name:?}, executable: {executable}, bytes: include_bytes!({source:?}) }},"
        )
        .expect("a string takes it");
    }
    out.push_str("];\n");
    let target = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where")).join("registry_template.rs");
    fs::write(target, out).expect("the build folder can be written");
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the template is part of the source") {
        let entry = entry.expect("the folder can be listed");
        // What running a script beside its test may leave behind is no part of it.
        if entry.file_name() == "__pycache__" {
            continue;
        }
        match entry.file_type().expect("an entry has a kind").is_dir() {
            true => walk(&entry.path(), paths),
            false => paths.push(entry.path()),
        }
    }
}
