s|127\.0\.0\.1:8001|web:8001|
s|127\.0\.0\.1:8002|web2:8001|
s|127\.0\.0\.1:8101|live:8001|
s|127\.0\.0\.1:8102|live2:8001|
s|/etc/letsencrypt/live/vigie.example|/etc/nginx/certificate|
s|/var/log/nginx/vigie.log|/dev/stdout|
s|/var/log/nginx/vigie-error.log|/dev/stderr|
