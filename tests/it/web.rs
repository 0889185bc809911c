//! Repositories on the web, through the program: servers that ask who is there, that change between metadata and
//! packages, and proxies. All are on the loopback.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    desk::{Desk, Said},
    place::test_distribution,
};

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// What stands between the method and `HTTP/1.1`.
    target: String,
    authorization: Option<String>,
}

/// A server of files that says what it was asked; it ends with the tests.
pub(crate) struct Server {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// Decides about a request before a file is looked for: a status that is answered instead.
type Rule = dyn Fn(&Asked) -> Option<&'static str> + Send + Sync;

impl Server {
    pub(crate) fn new(folder: PathBuf, rule: impl Fn(&Asked) -> Option<&'static str> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (rule, seen): (Arc<Rule>, _) = (Arc::new(rule), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (rule, seen, folder) = (Arc::clone(&rule), Arc::clone(&seen), folder.clone());
                std::thread::spawn(move || answer(stream, &folder, &*rule, &seen));
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// One request, one answer, the end of the connection.
fn answer(mut stream: TcpStream, folder: &Path, rule: &Rule, seen: &Mutex<Vec<Asked>>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
    let mut words = lines.next()?;
    if let Some(host) = words.strip_prefix("CONNECT ") {
        // A proxy: what follows is for the host that it was asked to reach, and this server plays it.
        let target = host.split(' ').next()?.to_owned();
        seen.lock().unwrap().push(Asked { target, authorization: None });
        lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
        stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").ok()?;
        words = lines.next()?;
    }
    let target = words.split(' ').nth(1)?.to_owned();
    let header = |line: String| line.to_ascii_lowercase().starts_with("authorization:").then_some(line);
    let authorization = lines.take_while(|line| !line.is_empty()).filter_map(header).last();
    let asked = Asked { target, authorization };
    seen.lock().unwrap().push(asked.clone());
    let file = fs_err::read(folder.join(asked.target.trim_start_matches('/')));
    let (status, body) = match (rule(&asked), file) {
        (Some(status), _) => (status, Vec::new()),
        (None, Ok(bytes)) => ("200 OK", bytes),
        (None, Err(_)) => ("404 Not Found", Vec::new()),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}

/// A profile of a few packages of the test distribution.
fn desk() -> Desk {
    let desk = Desk::new();
    let profile = "kind: profile\nname: small\ndistribution: debian-rpm\nplatform: vm\naccess: none\n\
                   layout: {subvolumes: [{path: /var, nodatacow: true}]}\n\
                   packages: {roles: [kernel], install: [base-files, debian-rpm-release]}\n";
    fs_err::write(desk.folder().join("small.yaml"), profile).unwrap();
    desk
}

fn repository(address: &str) -> String {
    format!("debian-rpm=http://{address}")
}

fn plan(desk: &Desk, address: &str, variables: &[(&str, &str)]) -> Said {
    let mut command = desk.command();
    command.args(["plan", "--profile", "./small.yaml", "--repo", &repository(address)]);
    desk.said(command.envs(variables.iter().copied()))
}

#[test]
fn who_is_asked_tells_only_what_its_owner_may_see() {
    let Some(folder) = test_distribution() else { return };
    // `me:s3cret`, as RFC 7617 has it.
    let is_known = |asked: &Asked| asked.authorization.as_ref().is_some_and(|it| it.ends_with("Basic bWU6czNjcmV0"));
    let server = Server::new(folder, move |asked| (!is_known(asked)).then_some("401 Unauthorized"));
    let desk = desk();
    let said = plan(&desk, &server.address, &[]);
    assert_eq!(said.code, 4, "{}", said.stderr);
    let phrases = ["asks for a name and a password", "hint: put `machine HOST login NAME password SECRET` into"];
    assert!(phrases.iter().all(|phrase| said.stderr.contains(phrase)), "{}", said.stderr);

    let wrong = [("ROWI_CREDENTIALS", "machine 127.0.0.1 login me password wrong")];
    let said = plan(&desk, &server.address, &wrong);
    assert!(said.code == 4 && said.stderr.contains("refuses those that are known"), "{}", said.stderr);

    let file = desk.folder().join(".config/rowi/credentials");
    fs_err::create_dir_all(file.parent().unwrap()).unwrap();
    fs_err::write(&file, "machine 127.0.0.1 login me password s3cret\n").unwrap();
    fs_err::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let said = plan(&desk, &server.address, &[]);
    assert!(said.code == 4 && said.stderr.contains("hint: `chmod 600 "), "{}", said.stderr);
    fs_err::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let said = plan(&desk, &server.address, &[]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    for text in [&said.stdout, &said.stderr] {
        assert!(!text.contains("s3cret") && !text.contains("bWU6czNjcmV0"), "{text}");
    }
    // Nobody is told who did not ask.
    let asked = server.asked();
    assert!(asked.first().unwrap().authorization.is_none(), "{asked:?}");
}

/// A package is gone that the metadata named a moment ago: the repository is asked once more, and no third time.
#[test]
fn a_repository_that_changes_meanwhile_is_asked_again() {
    let Some(folder) = test_distribution() else { return };
    for (missing_times, code) in [(1, 0), (usize::MAX, 1)] {
        let count = AtomicUsize::new(0);
        let is_gone = move |asked: &Asked| {
            let is_victim = asked.target.contains("/base-files-");
            (is_victim && count.fetch_add(1, Ordering::Relaxed) < missing_times).then_some("404 Not Found")
        };
        let server = Server::new(folder.clone(), is_gone);
        let desk = desk();
        let repository = repository(&server.address);
        let args = ["build", "--profile", "./small.yaml", "--format", "qcow2", "--repo", &repository];
        let said = desk.run(&args);
        assert_eq!(said.code, code, "{}", said.stderr);
        let again = said.stderr.matches("the repository is asked again").count();
        let asked = |what: &str| server.asked().iter().filter(|it| it.target.ends_with(what)).count();
        assert_eq!((again, asked("repomd.xml")), (1, 2), "{}", said.stderr);
    }
}

#[test]
fn proxies_and_their_exceptions_are_heard() {
    let Some(folder) = test_distribution() else { return };
    let proxy = Server::new(folder, |_| None);
    let url = format!("http://{}", proxy.address);
    // A host that does not exist (RFC 2606), so that only the proxy can answer.
    let said = plan(&desk(), "repository.invalid", &[("http_proxy", &url)]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let reached = proxy.asked().iter().filter(|asked| asked.target == "repository.invalid:80").count();
    assert!(reached >= 2, "{:?}", proxy.asked());
    let before = proxy.asked().len();
    let said = plan(&desk(), "127.0.0.1:9", &[("http_proxy", &url), ("no_proxy", "127.0.0.1")]);
    assert_eq!((said.code, proxy.asked().len()), (4, before), "{}", said.stderr);
}

/// A snapshot of another day than those that are kept: the kept ones are told.
#[test]
fn an_unknown_snapshot_is_told_with_those_that_there_are() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir(folder.path().join("history")).unwrap();
    fs_err::write(folder.path().join("history/list"), "20261118\n20261119\nnonsense\n20261123\n").unwrap();
    let server = Server::new(folder.path().to_owned(), |_| None);
    let desk = Desk::new();
    let mirror = format!("https://download.opensuse.org=http://{}", server.address);
    let set = ["--set", "variables.snapshot=20261121", "--mirror", &mirror];
    let said = desk.run(&[&["plan", "--profile", "microos"], &set[..]].concat());
    assert_eq!(said.code, 2, "{}", said.stderr);
    let hint = "hint: `variables.snapshot` may be one of 20261118, 20261119, 20261123";
    assert!(said.stderr.contains("history/20261121") && said.stderr.contains(hint), "{}", said.stderr);
}
