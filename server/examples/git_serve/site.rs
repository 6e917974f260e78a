//! What the server keeps: opened repositories, their refs, configurations, files, and finished answers.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use skill_pool_git::ids::IdSet;
use skill_pool_git::limits::{ReceiveLimits, UploadLimits};
use skill_pool_git::objects::ObjectId;
use skill_pool_git::refs::{FolderRefs, RefSnapshot, RefStore};
use skill_pool_git::repo::{Repo, RepoCache, RepoOptions};
use skill_pool_git::upload::{
    AdvertiseOptions, CacheOptions, Fetcher, FilterRule, PackfileUri, PushOptions, UploadOptions, Version, WantRule,
};

use crate::config::GitConfig;

/// Everything that requests share.
pub struct Site {
    root: PathBuf,
    pub repos: Arc<RepoCache>,
    pub refs: FolderRefs,
    pub fetcher: Fetcher,
    pub upload_limits: UploadLimits,
    pub receive_limits: ReceiveLimits,
    folders: Mutex<HashMap<String, PathBuf>>,
    settings: Mutex<HashMap<PathBuf, (Stamp, Arc<Settings>)>>,
    files: Mutex<HashMap<PathBuf, (Stamp, Bytes)>>,
}

/// Modification times and sizes.
type Stamp = Vec<Option<(SystemTime, u64)>>;

/// What a repository's configuration says.
pub struct Settings {
    pub config: GitConfig,
    pub upload: UploadOptions,
}

/// A request's repository.
pub struct Opened {
    pub folder: PathBuf,
    pub repo: Arc<Repo>,
    pub settings: Arc<Settings>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Site {
    pub fn new(root: PathBuf, cached: bool) -> Self {
        let options = RepoOptions { alternates: true, object_bytes_max: 1 << 30, ..RepoOptions::default() };
        let repos = Arc::new(RepoCache::new(options, 256));
        let cache = CacheOptions::default();
        let memory_bytes_max = if cached { cache.memory_bytes_max } else { 0 };
        Self {
            root,
            refs: FolderRefs::new(Arc::clone(&repos)),
            repos,
            fetcher: Fetcher::new(&CacheOptions { memory_bytes_max, ..cache }),
            upload_limits: UploadLimits {
                request_bytes_max: 64 << 20,
                wants_max: 1 << 20,
                haves_max: 1 << 20,
                ..UploadLimits::default()
            },
            receive_limits: ReceiveLimits {
                pack_bytes_max: 1 << 30,
                objects_max: 1 << 20,
                commands_max: 1 << 17,
                commands_bytes_max: 64 << 20,
                inflated_bytes_max: 4 << 30,
                object_bytes_max: 1 << 30,
                delta_depth_max: 4_095,
                ..ReceiveLimits::default()
            },
            folders: Mutex::default(),
            settings: Mutex::default(),
            files: Mutex::default(),
        }
    }

    /// The repository that `path` (percent-decoded) names, if there is one.
    pub fn open(&self, path: &str) -> Option<Opened> {
        if path.split('/').any(|part| part.is_empty() || part == "." || part == "..") || path.contains(['\0', '\\']) {
            return None;
        }
        let known = lock(&self.folders).get(path).cloned();
        let folder = known.filter(|folder| is_repository(folder)).or_else(|| self.find(path))?;
        let repo = self.repos.get(&folder).ok()?;
        let settings = self.settings(&folder);
        Some(Opened { folder, repo, settings })
    }

    fn find(&self, path: &str) -> Option<PathBuf> {
        let candidates = [path.to_owned(), format!("{path}/.git"), format!("{path}.git"), format!("{path}.git/.git")];
        let folder = candidates.iter().map(|path| self.root.join(path)).find(|folder| is_repository(folder))?;
        lock(&self.folders).insert(path.to_owned(), folder.clone());
        Some(folder)
    }

    /// The refs of `opened` that are not hidden from `service`, and all of them.
    pub fn snapshot(&self, opened: &Opened, section: &str) -> Result<(Arc<RefSnapshot>, Arc<RefSnapshot>), Failure> {
        let all = self.refs.snapshot(&opened.folder)?;
        let config = &opened.settings.config;
        let own = format!("{section}.hiderefs");
        let patterns: Vec<&String> = config.all("transfer.hiderefs").iter().chain(config.all(&own)).collect();
        if patterns.is_empty() {
            return Ok((Arc::clone(&all), all));
        }
        let identity = opened.folder.as_os_str().as_encoded_bytes();
        let visible = all.filtered(identity, |name| !is_hidden(name.as_str(), &patterns));
        Ok((Arc::new(visible), all))
    }

    fn settings(&self, folder: &Path) -> Arc<Settings> {
        let stamp = stamp(&[&folder.join("config"), &folder.join("shallow")]);
        if let Some((known, settings)) = lock(&self.settings).get(folder)
            && *known == stamp
        {
            return Arc::clone(settings);
        }
        let config = GitConfig::read(folder);
        let shallow = std::fs::read_to_string(folder.join("shallow")).unwrap_or_default();
        let shallow: IdSet = shallow.lines().filter_map(|line| ObjectId::from_hex(line.as_bytes()).ok()).collect();
        let upload = upload_options(&config, shallow);
        let settings = Arc::new(Settings { config, upload });
        lock(&self.settings).insert(folder.to_owned(), (stamp, Arc::clone(&settings)));
        settings
    }

    /// A file below ROOT, from memory when it has not changed.
    pub fn file(&self, name: &str) -> Option<Bytes> {
        if name.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
            return None;
        }
        let path = self.root.join(name);
        let stamp = stamp(&[&path]);
        if let Some((known, bytes)) = lock(&self.files).get(&path)
            && *known == stamp
        {
            return Some(bytes.clone());
        }
        let bytes = Bytes::from(std::fs::read(&path).ok()?);
        lock(&self.files).insert(path, (stamp, bytes.clone()));
        Some(bytes)
    }
}

impl Opened {
    /// What is advertised, in `version`.
    pub fn advertise_options(&self, nonce: Option<String>) -> AdvertiseOptions {
        let config = &self.settings.config;
        let session_id = config.flag("transfer.advertisesid").unwrap_or(false);
        AdvertiseOptions {
            session_id: session_id.then(|| format!("{}", std::process::id())),
            upload: self.settings.upload.clone(),
            push: PushOptions {
                certificate_nonce: nonce,
                push_options: config.flag("receive.advertisepushoptions").unwrap_or(false),
                atomic: config.flag("receive.advertiseatomic").unwrap_or(true),
                extra_haves: Vec::new(),
            },
            ..AdvertiseOptions::default()
        }
    }

    /// What may be asked for in `version`, given all refs.
    pub fn upload_options(&self, version: Version, all: &RefSnapshot) -> UploadOptions {
        let mut options = self.settings.upload.clone();
        let config = &self.settings.config;
        if config.flag("uploadpack.allowanysha1inwant").unwrap_or(false) {
            options.wants = WantRule::Any;
        } else if config.flag("uploadpack.allowtipsha1inwant").unwrap_or(false) && version != Version::V2 {
            options.wants = WantRule::ReachableOr(Arc::new(all.refs.iter().map(|entry| entry.id).collect()));
        }
        options
    }
}

fn upload_options(config: &GitConfig, shallow: IdSet) -> UploadOptions {
    let flag = |key| config.flag(key).unwrap_or(false);
    let any = flag("uploadpack.allowanysha1inwant");
    let filters_allowed = config.flag("uploadpackfilter.allow").unwrap_or(true);
    let mut refused = Vec::new();
    for name in ["blob:none", "blob:limit", "tree", "object:type", "combine"] {
        let allowed = config.flag(&format!("uploadpackfilter.{name}.allow")).unwrap_or(filters_allowed);
        if !allowed {
            refused.push(name.to_owned());
        }
    }
    let uris = config.all("uploadpack.blobpackfileuri").iter().filter_map(|value| {
        let mut words = value.splitn(3, ' ');
        let mut id = || ObjectId::from_hex(words.next()?.as_bytes()).ok();
        Some(PackfileUri { blob: id()?, pack: id()?, uri: words.next()?.to_owned() })
    });
    UploadOptions {
        filter: flag("uploadpack.allowfilter"),
        ref_in_want: flag("uploadpack.allowrefinwant"),
        sideband_all: flag("uploadpack.allowsidebandall"),
        object_info: flag("transfer.advertiseobjectinfo"),
        unborn: config.get("lsrefs.unborn").is_none_or(|value| value == "advertise"),
        wants: WantRule::Reachable,
        advertise_tip_in_want: any || flag("uploadpack.allowtipsha1inwant"),
        advertise_reachable_in_want: any || flag("uploadpack.allowreachablesha1inwant"),
        filter_rule: FilterRule {
            refused,
            tree_depth_max: config.get("uploadpackfilter.tree.maxdepth").and_then(|depth| depth.parse().ok()),
        },
        shallow: Arc::new(shallow),
        packfile_uris: uris.collect(),
    }
}

/// git's rule: the last pattern that matches decides; `!` in front shows what others hide.
pub fn is_hidden(name: &str, patterns: &[&String]) -> bool {
    patterns.iter().rev().find_map(|pattern| {
        let (hide, pattern) = match pattern.strip_prefix('!') {
            Some(pattern) => (false, pattern),
            None => (true, pattern.as_str()),
        };
        let pattern = pattern.strip_prefix('^').unwrap_or(pattern).trim_end_matches('/');
        let rest = name.strip_prefix(pattern)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(hide)
    }) == Some(true)
}

fn is_repository(folder: &Path) -> bool {
    folder.join("objects").is_dir() && folder.join("HEAD").symlink_metadata().is_ok()
}

fn stamp(paths: &[&Path]) -> Stamp {
    let look = |path: &&Path| {
        let meta = std::fs::metadata(path).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    };
    paths.iter().map(look).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
