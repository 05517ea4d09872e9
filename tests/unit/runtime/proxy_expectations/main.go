// Fills in what Go's clients do: for each environment and URL of cases.json, through which proxy a request goes.
//
//	go run main.go < cases.json > expectations.jsonl
//
// It needs golang.org/x/net/http/httpproxy, the package behind net/http's ProxyFromEnvironment. Go's own source tree
// has a copy of it. To use that one, without a network:
//
//	mkdir -p /tmp/gopath/src && cp -r "$(go env GOROOT)/src/vendor/golang.org" /tmp/gopath/src/
//	GO111MODULE=off GOPATH=/tmp/gopath go run main.go < cases.json > expectations.jsonl
package main

import (
	"encoding/json"
	"log"
	"net/url"
	"os"
	"runtime"

	"golang.org/x/net/http/httpproxy"
)

type cases struct {
	URLs         []string
	Environments []map[string]string
}

// The URLs in Direct go straight to their host, all others through the proxy of their scheme.
type expectation struct {
	Environment map[string]string `json:"environment"`
	Proxies     map[string]string `json:"proxies"`
	Direct      []string          `json:"direct"`
}

func expect(urls []string, environment map[string]string) expectation {
	os.Clearenv()
	for name, value := range environment {
		os.Setenv(name, value)
	}
	proxyFor := httpproxy.FromEnvironment().ProxyFunc()
	found := expectation{environment, map[string]string{}, []string{}}
	for _, text := range urls {
		parsed, err := url.Parse(text)
		if err != nil {
			log.Fatal(err)
		}
		proxy, err := proxyFor(parsed)
		if err != nil {
			log.Fatal(err)
		}
		if proxy == nil {
			found.Direct = append(found.Direct, text)
			continue
		}
		if other := found.Proxies[parsed.Scheme]; other != "" && other != proxy.String() {
			log.Fatalf("two proxies for %s: %s and %s", parsed.Scheme, other, proxy)
		}
		found.Proxies[parsed.Scheme] = proxy.String()
	}
	return found
}

func main() {
	log.SetFlags(0)
	var read cases
	if err := json.NewDecoder(os.Stdin).Decode(&read); err != nil {
		log.Fatal(err)
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	for _, environment := range read.Environments {
		if err := encoder.Encode(expect(read.URLs, environment)); err != nil {
			log.Fatal(err)
		}
	}
	log.Print("written by ", runtime.Version())
}
