//! Writing over git's protocol.

use std::io::Read;
use std::sync::Arc;

use axum::body::Body;
use http::Response;
use skill_pool_domain::access::{Granted, Push};
use skill_pool_git::receive::commands::{HeadError, HeadReader, Parsed};
use skill_pool_git::upload::Service;
use tokio::sync::Semaphore;

use super::body::{self, Encoding};
use super::request::ContentTypes;
use super::{expect_type, version, whole};
use crate::services::git::Git;
use crate::web::call::Call;
use crate::web::problem::Problem;

/// Pushes that came in whole and are judged or committed at the same time, each on a thread. How many are judged at once,
/// which costs memory, the door says.
static PUSHES: Semaphore = Semaphore::const_new(64);
/// Bytes read at once while the head of a push comes in.
const STEP_BYTES: usize = 8 << 10;

/// `GET …/info/refs?service=git-receive-pack`
pub fn advertise(call: &Call, proof: &Granted<Push>) -> Result<Response<Body>, Problem> {
    let bytes = call.site.git.advertise_push(proof, version(call.headers()))?;
    Ok(whole(Service::ReceivePack.advertisement_type(), bytes))
}

/// `POST …/git-receive-pack`
pub async fn exchange(mut call: Call, proof: Granted<Push>) -> Result<Response<Body>, Problem> {
    expect_type(call.headers(), Service::ReceivePack.request_type())?;
    let encoding = Encoding::of(call.headers())?;
    let git = Arc::clone(&call.site.git);
    let limits = *git.door().limits();
    let bytes_max = limits.pack_bytes_max + limits.commands_bytes_max as u64 + (1 << 20);
    let sent = std::mem::replace(&mut call.body, Body::empty());
    let taken = body::take(sent, bytes_max, &git.door().quarantine()).await?;
    let bases = call.site.addresses.bases(proof.tenant_name());
    let permit = PUSHES.acquire().await.map_err(Problem::internal)?;
    let done = tokio::task::spawn_blocking(move || {
        let done = serve(&git, &proof, &mut body::reader(taken, encoding, bytes_max), &bases);
        drop(permit);
        done
    });
    Ok(whole(Service::ReceivePack.result_type(), done.await.map_err(Problem::internal)??))
}

fn serve(git: &Git, proof: &Granted<Push>, reader: &mut dyn Read, bases: &[String]) -> Result<Vec<u8>, Problem> {
    let limits = git.door().limits();
    let mut head = HeadReader::new(limits);
    let mut buffer = vec![0; STEP_BYTES];
    loop {
        let read = reader.read(&mut buffer).map_err(|error| broken(&error))?;
        if read == 0 {
            return Err(malformed(&head.end()));
        }
        match head.feed(&buffer[..read]).map_err(|error| malformed(&error))? {
            None => {}
            // The client tries its credential before it sends a large push.
            Some((Parsed::Probe, rest)) => {
                let more = !rest.is_empty() || reader.read(&mut buffer).map_err(|error| broken(&error))? > 0;
                let words = "a push begins with its commands, and this one with a flush packet";
                return if more { Err(Problem::Malformed(words.to_owned())) } else { Ok(Vec::new()) };
            }
            Some((Parsed::Push(head), rest)) => {
                return Ok(git.push(proof, *head, rest.as_slice().chain(reader), bases));
            }
        }
    }
}

fn malformed(error: &HeadError) -> Problem {
    Problem::Malformed(error.to_string())
}

fn broken(error: &std::io::Error) -> Problem {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<body::BodyError>()) {
        Some(body::BodyError::TooLarge { limit_bytes }) => Problem::TooLarge { limit_bytes: *limit_bytes },
        Some(body::BodyError::TooSlow) => Problem::TooSlow,
        _ => Problem::Malformed(format!("the request cannot be read: {error}")),
    }
}
