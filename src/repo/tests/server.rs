//! An HTTP server on the loopback that misbehaves as told.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// What a path answers.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// The bytes.
    File(Vec<u8>),
    /// A redirection.
    To(String),
    /// A status, so many times, then the bytes.
    Failing(u16, usize, Vec<u8>),
    /// The announced length is right, the connection ends early; so many times.
    Truncated(usize, Vec<u8>),
    /// Other bytes for the first so many times.
    Stale(usize, Vec<u8>, Vec<u8>),
}

/// A server that runs until the test program ends.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server =
            Self { address: listener.local_addr().unwrap(), answers: Arc::default(), requests: Arc::default() };
        let running = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = running.clone();
                thread::spawn(move || server.serve(stream));
            }
        });
        server
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn set(&self, path: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// Serves all files of a folder.
    pub(super) fn folder(&self, prefix: &str, folder: &std::path::Path) {
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{prefix}/{}", path.file_name().unwrap().display());
            if path.is_dir() {
                self.folder(&name, &path);
            } else {
                self.set(&name, Answer::File(fs_err::read(&path).unwrap()));
            }
        }
    }

    /// Request lines and headers so far, one text a request.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).unwrap_or(0) == 0 {
                    return;
                }
            }
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            self.requests.lock().unwrap().push(head);
            let answer = self.answers.lock().unwrap().get(&path).cloned();
            let again = |answer| self.set(&path, answer);
            let (status, extra, body, cut) = match answer {
                None => (404, String::new(), Vec::new(), false),
                Some(Answer::File(body)) => (200, String::new(), body, false),
                Some(Answer::To(to)) => (302, format!("Location: {to}\r\nSet-Cookie: a=b\r\n"), Vec::new(), false),
                Some(Answer::Failing(_, 0, body) | Answer::Truncated(0, body) | Answer::Stale(0, _, body)) => {
                    (200, String::new(), body, false)
                }
                Some(Answer::Failing(status, n, body)) => {
                    again(Answer::Failing(status, n - 1, body));
                    (status, String::new(), Vec::new(), false)
                }
                Some(Answer::Truncated(n, body)) => {
                    again(Answer::Truncated(n - 1, body.clone()));
                    (200, String::new(), body, true)
                }
                Some(Answer::Stale(n, stale, body)) => {
                    again(Answer::Stale(n - 1, stale.clone(), body));
                    (200, String::new(), stale, false)
                }
            };
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{extra}\r\n", body.len());
            let sent = if cut { &body[..body.len() / 2] } else { &body[..] };
            let mut stream = &stream;
            let done = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(sent));
            if cut || done.is_err() {
                let _ = stream.shutdown(std::net::Shutdown::Both);
                return;
            }
        }
    }
}
