//! The probes against servers of a few lines, each on a loopback port of its own.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in what tests share")]

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use spur_net::{Authority, Dial, Limits, Listening, Tls};
use spur_runtime::probe::{HttpGet, ProbeResult, Scheme, http_get, tcp_connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Far above what a loopback answer takes, so that only a fault reaches it.
const LONG: Duration = Duration::from_secs(10);

/// Answers every connection with what `answer` makes of the request's text, then closes.
async fn serve(answer: impl Fn(&str) -> String + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buf = vec![0; 4096];
            let mut n = 0;
            while !buf[..n].ends_with(b"\r\n\r\n") {
                match stream.read(&mut buf[n..]).await {
                    Ok(read) if read > 0 => n += read,
                    _ => break,
                }
            }
            let text = String::from_utf8_lossy(&buf[..n]).into_owned();
            let _ = stream.write_all(answer(&text).as_bytes()).await;
        }
    });
    port
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

fn get(port: u16, path: &str) -> HttpGet {
    let (host, scheme) = ("127.0.0.1".into(), Scheme::Http);
    HttpGet { host, port, scheme, path: path.into(), headers: HeaderMap::new() }
}

fn rsp(status: u16, extra: &str, body: &str) -> String {
    let n = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-length: {n}\r\n{extra}\r\n{body}")
}

fn failure(text: impl Into<String>) -> ProbeResult {
    ProbeResult::Failure(text.into())
}

#[tokio::test]
async fn statuses_from_200_to_399_are_success() {
    for (status, is_success) in
        [(200, true), (204, true), (304, true), (399, true), (400, false), (404, false), (500, false)]
    {
        let port = serve(move |_| rsp(status, "", "")).await;
        let got = http_get(&Dial::default(), &get(port, "/"), LONG).await;
        assert_eq!(got.is_success(), is_success, "{status}: {got:?}");
        if !is_success {
            let words = format!("HTTP probe failed with statuscode: {status}");
            assert_eq!(got, failure(words));
        }
    }
}

#[tokio::test]
async fn the_request_is_the_kubelets() {
    let port = serve(|req| rsp(200, "", req)).await;
    let ProbeResult::Success(seen) = http_get(&Dial::default(), &get(port, "healthz?full=1"), LONG).await
    else {
        panic!("the server answers 200");
    };
    let seen = seen.to_lowercase();
    assert!(seen.starts_with("get /healthz?full=1 http/1.1\r\n"), "{seen}");
    for line in [
        format!("host: 127.0.0.1:{port}"),
        "user-agent: kube-probe/1.36".into(),
        "accept: */*".into(),
        "connection: close".into(),
    ] {
        assert!(seen.contains(&format!("\r\n{line}\r\n")), "{line} in {seen}");
    }
}

#[tokio::test]
async fn the_probes_own_headers_win() {
    let port = serve(|req| rsp(200, "", req)).await;
    let mut probe = get(port, "/");
    for (name, value) in [("host", "shop.test"), ("user-agent", "me"), ("x-a", "1")] {
        probe.headers.insert(name, HeaderValue::from_static(value));
    }
    let ProbeResult::Success(seen) = http_get(&Dial::default(), &probe, LONG).await else {
        panic!("the server answers 200");
    };
    for line in ["host: shop.test", "user-agent: me", "x-a: 1"] {
        assert!(seen.to_lowercase().contains(line), "{line} in {seen}");
    }
    assert!(!seen.contains("kube-probe"), "{seen}");
}

#[tokio::test]
async fn a_redirect_on_the_same_host_is_followed() {
    let other = serve(|_| rsp(503, "", "")).await;
    let port = serve(move |req| match req {
        r if r.starts_with("GET /a ") => rsp(302, "location: /b?x=1\r\n", ""),
        r if r.starts_with("GET /b?x=1 ") => {
            let to = format!("location: http://127.0.0.1:{other}/\r\n");
            rsp(307, &to, "")
        }
        _ => rsp(200, "", ""),
    })
    .await;
    let got = http_get(&Dial::default(), &get(port, "/a"), LONG).await;
    assert_eq!(got, failure("HTTP probe failed with statuscode: 503"));
}

#[tokio::test]
async fn a_redirect_to_another_host_is_success_and_not_followed() {
    let to = "location: http://elsewhere.invalid/\r\n";
    let port = serve(move |_| rsp(302, to, "bye")).await;
    let words = "Probe terminated redirects, Response body: bye";
    assert_eq!(http_get(&Dial::default(), &get(port, "/"), LONG).await, ProbeResult::Success(words.into()));
}

#[tokio::test]
async fn a_redirect_loop_ends() {
    let port = serve(|_| rsp(302, "location: /\r\n", "")).await;
    let words = format!("Get \"http://127.0.0.1:{port}/\": stopped after 10 redirects");
    assert_eq!(http_get(&Dial::default(), &get(port, "/"), LONG).await, failure(words));
}

#[tokio::test]
async fn nobody_listening_reads_as_in_kubernetes() {
    let port = free_port().await;
    let dial = format!("dial tcp 127.0.0.1:{port}: connect: connection refused");
    assert_eq!(
        http_get(&Dial::default(), &get(port, "/ready"), LONG).await,
        failure(format!("Get \"http://127.0.0.1:{port}/ready\": {dial}"))
    );
    assert_eq!(tcp_connect(&Dial::default(), ("127.0.0.1", port), LONG).await, failure(dial));
}

#[tokio::test]
async fn silence_after_accepting_is_a_timeout() {
    // The kernel accepts into the backlog; nobody ever answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let got = http_get(&Dial::default(), &get(port, "/"), Duration::from_millis(50)).await;
    let words = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    assert_eq!(got, failure(format!("Get \"http://127.0.0.1:{port}/\": {words}")));
    assert!(tcp_connect(&Dial::default(), ("127.0.0.1", port), LONG).await.is_success());
}

#[tokio::test]
async fn closing_without_an_answer_is_eof() {
    let port = serve(|_| String::new()).await;
    assert_eq!(
        http_get(&Dial::default(), &get(port, "/"), LONG).await,
        failure(format!("Get \"http://127.0.0.1:{port}/\": EOF"))
    );
}

#[tokio::test]
async fn a_body_is_read_up_to_10_kib_however_long_it_is() {
    let port = serve(|_| rsp(200, "", &"x".repeat(100_000))).await;
    let ProbeResult::Success(body) = http_get(&Dial::default(), &get(port, "/"), LONG).await else {
        panic!("the server answers 200");
    };
    assert_eq!(body.len(), 10 * 1024);
}

#[tokio::test]
async fn a_body_cut_short_is_a_failure() {
    let port = serve(|_| "HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\nabc".into()).await;
    let got = http_get(&Dial::default(), &get(port, "/"), LONG).await;
    assert!(!got.is_success(), "{got:?}");
}

/// Answers HTTPS with a certificate of an authority that nobody knows.
async fn serve_tls() -> (u16, tokio_util::sync::DropGuard) {
    let authority = Authority::generate().unwrap();
    let credential = authority.server(&["elsewhere.test".to_owned()]).unwrap();
    let tls = Some(Tls::new(&credential, authority.certificate_pem()).unwrap());
    let listener = spur_net::bind_loopback().unwrap();
    let port = listener.local_addr().unwrap().port();
    let service = service_fn(|req: Request<Incoming>| async move {
        let status = if req.uri().path() == "/ok" { 200 } else { 503 };
        let body = Full::new(Bytes::from(format!("{:?}", req.version())));
        Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap())
    });
    let stop = CancellationToken::new();
    let listening = Listening { tcp: TcpListener::from_std(listener).unwrap(), tls };
    tokio::spawn(spur_net::serve(listening, service, Limits::default(), stop.clone()));
    (port, stop.drop_guard())
}

#[tokio::test]
async fn https_takes_any_certificate() {
    let (port, _stop) = serve_tls().await;
    let https = |path| HttpGet { scheme: Scheme::Https, ..get(port, path) };
    assert_eq!(
        http_get(&Dial::default(), &https("/ok"), LONG).await,
        ProbeResult::Success("HTTP/1.1".into())
    );
    let words = "HTTP probe failed with statuscode: 503";
    assert_eq!(http_get(&Dial::default(), &https("/"), LONG).await, failure(words));
    let plain = http_get(&Dial::default(), &get(port, "/ok"), LONG).await;
    assert!(!plain.is_success(), "HTTP to a port of HTTPS: {plain:?}");
}

#[tokio::test]
async fn https_to_a_port_of_http_is_a_failure_of_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // As a server of HTTP that cannot read the request.
        let _ = stream.write_all(rsp(400, "", "").as_bytes()).await;
        while stream.read(&mut [0; 1024]).await.is_ok_and(|n| n > 0) {}
    });
    let found =
        http_get(&Dial::default(), &HttpGet { scheme: Scheme::Https, ..get(port, "/ok") }, LONG).await;
    let ProbeResult::Failure(why) = &found else { panic!("{found:?}") };
    assert!(why.starts_with(&format!("Get \"https://127.0.0.1:{port}/ok\": tls: ")), "{why}");
}

#[tokio::test]
async fn a_redirect_from_http_to_https_is_followed() {
    let (https, _stop) = serve_tls().await;
    let to = format!("location: https://127.0.0.1:{https}/\r\n");
    let port = serve(move |_| rsp(302, &to, "")).await;
    let words = "HTTP probe failed with statuscode: 503";
    assert_eq!(http_get(&Dial::default(), &get(port, "/"), LONG).await, failure(words));
}
