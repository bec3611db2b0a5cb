//! Faults beneath HTTP, and how ports open and close: over real connections on free ports.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;
use crate::gate::Shared;
use crate::testing::Bench;

struct Listening {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    _bench: Bench,
}

async fn listening() -> Listening {
    let bench = Bench::new();
    let router = bench.served.iter().find(|it| it.api == "novastraxis").unwrap().router.clone();
    let port = Port::bind("novastraxis", "127.0.0.1:0".parse().unwrap(), router).await.unwrap();
    let address = port.listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(port.serve(stopped));
    Listening { address, shared: Arc::clone(&bench.shared), stop, serving, _bench: bench }
}

impl Listening {
    fn arm(&self, fault: &serde_json::Value) {
        self.shared.faults.arm(serde_json::from_value(fault.clone()).unwrap());
    }

    async fn ask(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        send(&mut stream).await;
        stream
    }
}

async fn send(stream: &mut TcpStream) {
    let request = "GET /v2/data/domains HTTP/1.1\r\nhost: x\r\nx-portcullis-tenant: acme\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
}

async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    bytes
}

/// The head as text and the length it declares.
async fn head(stream: &mut TcpStream) -> (String, usize) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|it| it.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    (head, length)
}

#[tokio::test]
async fn garbage_is_not_http_and_ends_the_connection() {
    let it = listening().await;
    it.arm(&json!({ "api": "novastraxis", "kind": "garbage", "times": 1 }));
    let bytes = rest(it.ask().await).await;
    assert!(!bytes.is_empty() && !bytes.starts_with(b"HTTP/"));
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let it = listening().await;
    it.arm(&json!({ "api": "novastraxis", "kind": "reset", "times": 1 }));
    let fault = it.ask().await.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(fault.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_hang_ends_without_a_byte() {
    let it = listening().await;
    it.arm(&json!({ "api": "novastraxis", "kind": "hang", "ms": 1, "times": 1 }));
    assert_eq!(rest(it.ask().await).await, b"");
    assert_eq!(it.shared.seen.last(None, 1)[0].operation, Some("listDataDomains"), "it was taken all the same");
}

#[tokio::test]
async fn a_truncated_answer_declares_the_whole_and_sends_half() {
    let it = listening().await;
    it.arm(&json!({ "api": "novastraxis", "kind": "truncate", "times": 1 }));
    let mut stream = it.ask().await;
    let (head, declared) = head(&mut stream).await;
    assert!(head.starts_with("http/1.1 200 ok\r\n") && head.contains("content-type: application/json"), "{head}");
    assert_eq!(rest(stream).await.len(), declared / 2);
}

#[tokio::test]
async fn a_wrong_length_leaves_bytes_behind_and_the_connection_open() {
    let it = listening().await;
    let mut honest = it.ask().await;
    let (_, length) = head(&mut honest).await;
    it.arm(&json!({ "api": "novastraxis", "kind": "wrong_length", "times": 1 }));
    let mut stream = it.ask().await;
    let (_, declared) = head(&mut stream).await;
    assert_eq!(declared, length / 2);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok(), "the whole body was sent");
    send(&mut stream).await;
    assert_eq!(head(&mut stream).await.1, length, "the next answer is honest");
}

#[tokio::test]
async fn a_fault_strikes_one_request_of_a_connection_and_not_the_next() {
    let it = listening().await;
    let mut stream = it.ask().await;
    let (_, length) = head(&mut stream).await;
    stream.read_exact(&mut vec![0; length]).await.unwrap();
    it.arm(&json!({ "api": "novastraxis", "kind": "reset", "times": 1 }));
    send(&mut stream).await;
    assert!(stream.read_u8().await.is_err());
    assert!(head(&mut it.ask().await).await.0.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn told_to_stop_a_port_closes_and_refuses_whoever_comes_next() {
    let it = listening().await;
    head(&mut it.ask().await).await;
    it.stop.send_replace(true);
    it.serving.await.unwrap();
    assert!(TcpStream::connect(it.address).await.is_err());
}

#[tokio::test]
async fn ports_are_announced_by_name_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ports.json");
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let ports =
        [Port::bind("a", any, Router::new()).await.unwrap(), Port::bind("b", any, Router::new()).await.unwrap()];
    announce(&ports, &file).unwrap();
    let read: BTreeMap<String, SocketAddr> = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(read["b"], ports[1].listener.local_addr().unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing half-written stays");
}
